/* Objects of System V and POSIX queues, which all of the host shares. */
#include "hostile.h"
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

int main(void)
{
    int shm = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600), sem = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    int msg = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    char name[32];
    mqd_t mq;

    TRY(shm >= 0);
    TRY(sem >= 0);
    TRY(msg >= 0);
    shmctl(shm, IPC_RMID, NULL);
    semctl(sem, 0, IPC_RMID);
    msgctl(msg, IPC_RMID, NULL);
    snprintf(name, sizeof name, "/hostile-%d", getpid());
    mq = mq_open(name, O_RDWR | O_CREAT, 0600, NULL);
    TRY(mq >= 0);
    mq_unlink(name);
    return reached_any;
}
