/* box: --pids 1024 */
/* ends: 122 the limit of 1024 processes and threads was reached, and a box has no more */
/* A thousand threads at once; each runs. outside: nothing is tried. */
#include "hostile.h"
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ran;

static void *thread(void *arg)
{
    pthread_mutex_lock(&lock);
    ran++;
    pthread_mutex_unlock(&lock);
    return arg;
}

int main(void)
{
    static pthread_t t[2048];
    pthread_attr_t attr;
    int n = 0;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    pthread_mutex_lock(&lock);
    while (n < 2048 && pthread_create(&t[n], &attr, thread, NULL) == 0)
        n++;
    TRY(n > 1023);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < n; i++)
        pthread_join(t[i], NULL);
    return ran == n && n > 1000 ? 1 : 2;
}
