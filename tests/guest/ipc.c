/* System V and POSIX message passing: segments at chosen addresses, what detaches them, sets, notifications. */
#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "guest.h"

#define PAGE 4096

static char *fixed(void)
{
    char *p = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    munmap(p, 16 * PAGE);
    return p;
}

static void stores(char *at)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        *(volatile char *)at = 1;
        _exit(0);
    }
    guest_wait("store", pid);
}

static void segments(void)
{
    int id = shmget(IPC_PRIVATE, 3 * PAGE - 100, IPC_CREAT | 0600);
    char *at = fixed(), *p, *q, *r;
    struct shmid_ds ds;
    pid_t pid;

    p = shmat(id, NULL, 0);
    FACT(p != (char *)-1 && p[0] == 0 && p[3 * PAGE - 1] == 0);
    strcpy(p + PAGE, "here");
    q = shmat(id, at, 0);
    FACT(q == at && !strcmp(q + PAGE, "here"));
    r = shmat(id, at + 4 * PAGE + 5, SHM_RND | SHM_RDONLY);
    FACT(r == at + 4 * PAGE && !strcmp(r + PAGE, "here"));
    stores(r);
    CALL(shmat(id, at + 4 * PAGE + 5, 0) == (void *)-1 ? -1 : 0);
    CALL(shmat(id, at + PAGE, 0) == (void *)-1 ? -1 : 0);
    CALL(shmat(id, NULL, SHM_REMAP) == (void *)-1 ? -1 : 0);
    CALL(shmat(-1, NULL, 0) == (void *)-1 ? -1 : 0);
    CALL(shmat(0x7fffffff, NULL, 0) == (void *)-1 ? -1 : 0);
    CALL(shmctl(id, IPC_STAT, &ds));
    SHOW(ds.shm_segsz);
    SHOW(ds.shm_nattch);
    SHOW(ds.shm_perm.mode & 0777);
    SHOW(mprotect(r, PAGE, PROT_READ | PROT_WRITE) ? errno : 0);
    /* Over an attached one; then in pieces. */
    FACT(shmat(id, at + PAGE, SHM_REMAP) == at + PAGE);
    SHOW(at[0] + at[2 * PAGE]);
    CALL(munmap(at + 2 * PAGE, PAGE));
    CALL(shmdt(at + PAGE));
    stores(at + PAGE);
    stores(at + 3 * PAGE);
    stores(at);
    CALL(shmdt(at + PAGE));
    CALL(shmdt(at + 4 * PAGE + 1));
    CALL(shmdt(at + 4 * PAGE));
    CALL(shmdt(at));
    CALL(shmdt(at));
    CALL(shmctl(id, IPC_STAT, &ds));
    SHOW(ds.shm_nattch);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        strcpy(p, "child");
        CALL(shmctl(id, IPC_STAT, &ds));
        SHOW(ds.shm_nattch);
        fflush(stdout);
        _exit(0);
    }
    guest_wait("child", pid);
    puts(p);
    q = mremap(p, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at);
    FACT(q == at && !strcmp(at, "child"));
    CALL(shmctl(id, IPC_RMID, NULL));
    CALL(shmdt(at));
    CALL(shmctl(id, IPC_STAT, &ds));
}

static void sets(void)
{
    union {
        int val;
        struct semid_ds *buf;
        unsigned short *array;
        struct seminfo *info;
    } arg;
    struct sembuf ops[2] = { { 0, -1, IPC_NOWAIT }, { 1, 2, 0 } };
    unsigned short values[3] = { 4, 5, 6 };
    int id = semget(IPC_PRIVATE, 3, IPC_CREAT | 0640);
    struct {
        struct semid_ds ds;
        uint64_t guard;
    } out = { .guard = 0x1234 };
    struct seminfo info;

    arg.array = values;
    CALL(semctl(id, 0, SETALL, arg));
    CALL(semop(id, ops, 2));
    memset(values, 0, sizeof values);
    CALL(semctl(id, 0, GETALL, arg));
    printf("%d %d %d\n", values[0], values[1], values[2]);
    arg.val = 9;
    CALL(semctl(id, 2, SETVAL, arg));
    CALL(semctl(id, 2, GETVAL));
    CALL(semctl(id, 3, GETVAL));
    CALL(semctl(id, 2, GETNCNT));
    FACT(semctl(id, 1, GETPID) == getpid());
    arg.buf = &out.ds;
    CALL(semctl(id, 0, IPC_STAT, arg));
    SHOW(out.ds.sem_nsems);
    SHOW(out.ds.sem_perm.mode & 0777);
    FACT(out.ds.sem_otime != 0 && out.ds.sem_ctime != 0 && out.ds.sem_perm.uid == geteuid());
    SHOW(out.guard);
    out.ds.sem_perm.mode = 0600;
    CALL(semctl(id, 0, IPC_SET, arg));
    memset(&out.ds, 0, sizeof out.ds);
    CALL(semctl(id, 0, IPC_STAT, arg));
    SHOW(out.ds.sem_perm.mode & 0777);
    SHOW(out.ds.sem_nsems);
    arg.info = &info;
    FACT(semctl(0, 0, IPC_INFO, arg) >= 0 && info.semmsl > 0 && info.semvmx == 32767);
    FACT(semctl(0, 0, SEM_INFO, arg) >= 0 && info.semusz > 0);
    arg.buf = (void *)8;
    CALL(semctl(id, 0, IPC_STAT, arg));
    CALL(semctl(id, 0, 12345));
    CALL(semctl(id, 0, IPC_RMID));
    arg.buf = &out.ds;
    CALL(semctl(id, 0, IPC_STAT, arg));
}

static void messages(void)
{
    struct {
        long type;
        char text[8];
    } m = { 3, "three" };
    int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    struct msqid_ds ds;
    struct msginfo info;

    CALL(msgsnd(id, &m, 6, 0));
    m.type = 1;
    CALL(msgsnd(id, &m, 3, 0));
    CALL(msgctl(id, IPC_STAT, &ds));
    printf("%d messages, %d bytes\n", (int)ds.msg_qnum, (int)ds.msg_cbytes);
    memset(&m, 0, sizeof m);
    CALL(msgrcv(id, &m, sizeof m.text, 3, 0));
    printf("%ld %s\n", m.type, m.text);
    CALL(msgrcv(id, &m, 1, 0, 0));
    CALL(msgrcv(id, &m, 1, 0, MSG_NOERROR));
    CALL(msgrcv(id, &m, 1, 0, IPC_NOWAIT));
    FACT(msgctl(id, IPC_INFO, (struct msqid_ds *)&info) >= 0 && info.msgmax > 0);
    CALL(msgctl(id, IPC_RMID, NULL));
}

static volatile sig_atomic_t code, value;

static void on_signal(int sig, siginfo_t *info, void *uc)
{
    (void)sig;
    (void)uc;
    code = info->si_code;
    value = info->si_value.sival_int;
}

static void notifications(void)
{
    struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
    struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
                           .sigev_signo = SIGUSR1,
                           .sigev_value.sival_int = 42 };
    struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 16 };
    char name[32], text[16] = "";
    mqd_t q;

    snprintf(name, sizeof name, "/noahv-%d", (int)getpid());
    q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    if (q < 0) {
        puts(strerrorname_np(errno));
        return;
    }
    mq_unlink(name);
    sigaction(SIGUSR1, &sa, NULL);
    CALL(mq_notify(q, &ev));
    CALL(mq_notify(q, &ev));
    CALL(mq_send(q, "hello", 6, 5));
    FACT(code == SI_MESGQ);
    SHOW(value);
    CALL(mq_receive(q, text, sizeof text, NULL));
    puts(text);
    CALL(mq_notify(q, NULL));
    ev.sigev_notify = SIGEV_NONE;
    CALL(mq_notify(q, &ev));
    CALL(mq_notify(q, NULL));
    ev.sigev_notify = 77;
    CALL(mq_notify(q, &ev));
    ev.sigev_notify = SIGEV_THREAD; /* to the kernel: a cookie, and a netlink socket */
    ev.sigev_signo = 0;
    ev.sigev_value.sival_ptr = text;
    CALL(syscall(SYS_mq_notify, q, &ev));
    ev.sigev_value.sival_ptr = (void *)16;
    CALL(syscall(SYS_mq_notify, q, &ev));
    CALL(syscall(SYS_mq_notify, q, (void *)16));
    CALL(syscall(SYS_mq_notify, -1, NULL));
}

int main(void)
{
    segments();
    sets();
    messages();
    notifications();
    return 0;
}
