/* A bytecode interpreter running a sieve: one switch, one indirect jump per operation. */
#include "work.h"

enum op { SET, ADD, MOV, JLT, STORE, LOAD, JZ, JMP, HALT };

struct insn {
    uint8_t op, a, b;
    int32_t c;
};

#define LIMIT 60000

/* r0 = i, r1 = j, r2 = limit, r3 = count, r4 = temporary, r5 = 1 */
static const struct insn program[] = {
    { SET, 0, 0, 2 },   { SET, 2, 0, LIMIT }, { SET, 3, 0, 0 }, { SET, 5, 0, 1 }, { LOAD, 4, 0, 0 },
    { JZ, 4, 0, 7 },    { JMP, 0, 0, 12 },    { ADD, 3, 5, 0 }, { MOV, 1, 0, 0 }, { ADD, 1, 0, 0 },
    { STORE, 5, 1, 0 }, { JLT, 1, 2, 9 },     { ADD, 0, 5, 0 }, { JLT, 0, 2, 4 }, { HALT, 3, 0, 0 },
};

static int64_t run(uint8_t *memory)
{
    int64_t r[8] = { 0 };

    for (const struct insn *i = program;; i++) {
        switch (i->op) {
        case SET:
            r[i->a] = i->c;
            break;
        case ADD:
            r[i->a] += r[i->b];
            break;
        case MOV:
            r[i->a] = r[i->b];
            break;
        case JLT:
            if (r[i->a] < r[i->b])
                i = program + i->c - 1;
            break;
        case STORE:
            memory[r[i->b]] = (uint8_t)r[i->a];
            break;
        case LOAD:
            r[i->a] = memory[r[i->b]];
            break;
        case JZ:
            if (!r[i->a])
                i = program + i->c - 1;
            break;
        case JMP:
            i = program + i->c - 1;
            break;
        default:
            return r[i->a];
        }
    }
}

static uint64_t work(void)
{
    static uint8_t memory[2 * LIMIT + 1];
    uint64_t sum = 0;

    for (int i = 0; i < 6; i++) {
        memset(memory, 0, sizeof(memory));
        sum = sum * 5 + (uint64_t)run(memory);
    }
    return sum;
}
