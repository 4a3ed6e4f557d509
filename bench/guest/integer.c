/* Mixed integer work in a small footprint: list sorting, a matrix of shorts, a number scanner, CRC-16. */
#include "work.h"

#define NODES 600
#define DIM 24

struct node {
    struct node *next;
    int16_t key, value;
};

static struct node pool[NODES];
static int16_t ma[DIM][DIM], mb[DIM][DIM];
static int32_t mc[DIM][DIM];
static const char input[] = "12,-7,0x1f,3.25,+99,1e5,abc,--4,0755,6.02e23,.5,-0.001,12a,,7e,0xg,42,";

static uint16_t crc16(uint16_t crc, uint32_t v)
{
    for (int i = 0; i < 32; i++) {
        crc = (uint16_t)((crc ^ v) & 1 ? crc >> 1 ^ 0xa001 : crc >> 1);
        v >>= 1;
    }
    return crc;
}

static struct node *merge(struct node *a, struct node *b)
{
    struct node head = { 0 }, *tail = &head;

    while (a && b) {
        struct node **least = a->key <= b->key ? &a : &b;

        tail = tail->next = *least;
        *least = (*least)->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

static struct node *sort(struct node *list)
{
    struct node *slow = list, *fast;

    if (!list || !list->next)
        return list;
    for (fast = list->next; fast && fast->next; fast = fast->next->next)
        slow = slow->next;
    fast = slow->next;
    slow->next = NULL;
    return merge(sort(list), sort(fast));
}

static uint16_t lists(uint16_t crc)
{
    struct node *list = NULL, *reversed = NULL;

    for (int i = 0; i < NODES; i++) {
        pool[i] = (struct node){ list, (int16_t)random_next(), (int16_t)i };
        list = &pool[i];
    }
    list = sort(list);
    while (list) {
        struct node *next = list->next;

        list->next = reversed;
        reversed = list;
        list = next;
    }
    for (int i = 0; reversed; reversed = reversed->next, i++)
        if (i % 16 == 0)
            crc = crc16(crc, (uint32_t)(reversed->key * 7 + reversed->value));
    return crc;
}

static uint16_t matrix(uint16_t crc)
{
    for (int i = 0; i < DIM; i++)
        for (int j = 0; j < DIM; j++) {
            ma[i][j] = (int16_t)(i * 3 - j + crc);
            mb[i][j] = (int16_t)(j * 5 - i);
        }
    for (int i = 0; i < DIM; i++)
        for (int j = 0; j < DIM; j++) {
            int32_t s = 0;

            for (int k = 0; k < DIM; k++)
                s += ma[i][k] * mb[k][j];
            mc[i][j] = s >> 2;
        }
    return crc16(crc, (uint32_t)(mc[DIM / 2][3] ^ mc[1][DIM - 1]));
}

enum state { START, SIGN, DIGITS, POINT, EXPONENT, BAD, NR_STATES };

static uint16_t scanner(uint16_t crc)
{
    unsigned count[NR_STATES] = { 0 };
    enum state s = START;

    for (int round = 0; round < 12; round++)
        for (const char *p = input; *p; p++) {
            const int digit = *p >= '0' && *p <= '9';

            if (*p == ',') {
                count[s]++;
                s = START;
                continue;
            }
            switch (s) {
            case START:
                s = digit ? DIGITS : *p == '+' || *p == '-' ? SIGN : *p == '.' ? POINT : BAD;
                break;
            case SIGN:
                s = digit ? DIGITS : *p == '.' ? POINT : BAD;
                break;
            case DIGITS:
                s = digit ? DIGITS : *p == '.' ? POINT : *p == 'e' ? EXPONENT : BAD;
                break;
            case POINT:
                s = digit ? POINT : *p == 'e' ? EXPONENT : BAD;
                break;
            case EXPONENT:
                s = digit || *p == '-' ? EXPONENT : BAD;
                break;
            default:
                break;
            }
        }
    for (int i = 0; i < NR_STATES; i++)
        crc = crc16(crc, count[i]);
    return crc;
}

static uint64_t work(void)
{
    uint16_t crc = 0;

    for (int i = 0; i < 220; i++)
        crc = scanner(matrix(lists(crc)));
    return crc;
}
