/*
 * /proc in a box: the names that there are, where its links lead, what a listing shows. The processes of the box
 * are there, oneself in full, and some facts about the machine; contents are procfs.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/view.h"

/* Facts that any program may need, and folders on the way to them. */
static const char *const facts[] = {
    "",
    "cpuinfo",
    "filesystems",
    "loadavg",
    "meminfo",
    "self",
    "stat",
    "sys",
    "sys/fs",
    "sys/fs/file-max",
    "sys/kernel",
    "sys/kernel/cap_last_cap",
    "sys/kernel/ngroups_max",
    "sys/kernel/osrelease",
    "sys/kernel/ostype",
    "sys/kernel/pid_max",
    "sys/kernel/random",
    "sys/kernel/random/boot_id",
    "sys/kernel/random/uuid",
    "sys/kernel/threads-max",
    "sys/kernel/version",
    "sys/vm",
    "sys/vm/max_map_count",
    "sys/vm/overcommit_memory",
    "thread-self",
    "uptime",
    "version",
};

/* Not io: its counts would be noahv's, and are not for the owner of a process that nobody may look into. */
static const char *const own_names[] = {
    "",       "auxv", "cmdline",   "comm", "cwd",  "environ", "exe",    "fd",   "fdinfo",
    "limits", "maps", "oom_score", "root", "stat", "statm",   "status", "task",
};

/* Of other processes of the box: their arguments would be noahv's. */
static const char *const other_names[] = { "", "comm", "stat", "statm", "status" };

static bool listed(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

/* Takes a leading number off: false when there is none. */
static bool take_number(const char **rel, int *number)
{
    char *end;
    unsigned long n;

    if (**rel < '0' || **rel > '9')
        return false;
    n = strtoul(*rel, &end, 10);
    if (n > INT_MAX || (*end && *end != '/'))
        return false;
    *number = (int)n;
    *rel = *end ? end + 1 : end;
    return true;
}

/* This process's number as that /proc counts. */
static int own_pid(void)
{
    char text[16];
    int64_t n = HOST_RAW(SYS_readlinkat, procfs_dir(), "self", text, sizeof text - 1);

    text[MAX(n, 0)] = '\0';
    return atoi(text);
}

static bool own_has(const char *rel, bool task)
{
    int number;

    if (listed(rel, own_names, ARRAY_SIZE(own_names)))
        return task || strcmp(rel, "task") != 0 || !task;
    if (strncmp(rel, "fd/", 3) == 0 || strncmp(rel, "fdinfo/", 7) == 0) {
        rel = strchr(rel, '/') + 1;
        return take_number(&rel, &number) && !*rel && !fd_is_own(number);
    }
    if (!task && strncmp(rel, "task/", 5) == 0) {
        rel += 5;
        return take_number(&rel, &number) && own_has(rel, true);
    }
    return false;
}

bool view_proc_has(struct task *t, const char *rel)
{
    int pid;

    if (listed(rel, facts, ARRAY_SIZE(facts)))
        return true;
    if (!take_number(&rel, &pid))
        return false;
    if (pid == own_pid())
        return own_has(rel, false);
    return box_has(t, pid) && listed(rel, other_names, ARRAY_SIZE(other_names));
}

/* Is there no name for the file any more? The kernel's path of it says so, but a name may end like that, too. */
static bool is_deleted(int fd, const char *path)
{
    static const char mark[] = " (deleted)";
    size_t n = strlen(path);
    struct stat st;

    return n >= sizeof mark && strcmp(path + n - (sizeof mark - 1), mark) == 0 &&
           (HOST_RAW(SYS_fstat, fd, &st) < 0 || !st.st_nlink);
}

/* The guest's path of what a descriptor link leads to; 1: it has none. */
static int fd_link(struct task *t, int fd, char out[PATH_MAX])
{
    int r = view_place(t->proc->box->view, fd, out);

    if (r == -EBADF)
        return -ENOENT;
    if (r < 0 || is_deleted(fd, out))
        return 1;
    if (!*out)
        memcpy(out, "/", 2);
    return 0;
}

int view_proc_link(struct task *t, const char *rel, char out[PATH_MAX])
{
    const char *base = strrchr(rel, '/');
    int64_t n;

    if (!base) { /* self, thread-self */
        n = HOST_RAW(SYS_readlinkat, procfs_dir(), rel, out, PATH_MAX - 1);
        out[MAX(n, 0)] = '\0';
        return (int)MIN(n, 0);
    }
    base++;
    if (strcmp(base, "root") == 0) {
        memcpy(out, "/", 2);
        return 0;
    }
    if (strcmp(base, "cwd") == 0)
        return (int)MIN(view_cwd(t, out), 0);
    if (strcmp(base, "exe") == 0) {
        int fd = __atomic_load_n(&t->proc->exe_fd, __ATOMIC_RELAXED);

        return fd < 0 ? -ENOENT : fd_link(t, fd, out) == 0 ? 0 : -ENOENT;
    }
    return *base >= '0' && *base <= '9' ? fd_link(t, atoi(base), out) : -EACCES;
}

/* struct linux_dirent64, as bytes: ino 8, offset 8, length 2, type 1, name. */
enum { DENT_RECLEN = 16, DENT_NAME = 19 };

int64_t view_proc_filter(struct task *t, int fd, char *dents, int64_t len)
{
    char at[PATH_MAX], path[PATH_MAX];
    const struct mount *m;
    const char *rel = "";
    int64_t kept = 0;
    uint16_t reclen;

    if (view_place(t->proc->box->view, fd, at) < 0)
        return 0;
    m = view_mount(t->proc->box->view, at, &rel);
    if (!m || m->kind != PLACE_PROC)
        return len;
    for (int64_t i = 0; i + DENT_NAME < len; i += reclen) {
        const char *name = dents + i + DENT_NAME;

        memcpy(&reclen, dents + i + DENT_RECLEN, sizeof reclen);
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
            ((size_t)snprintf(path, sizeof path, "%s%s%s", rel, *rel ? "/" : "", name) >= sizeof path ||
             !view_proc_has(t, path)))
            continue;
        memmove(dents + kept, dents + i, reclen);
        kept += reclen;
    }
    return kept;
}

int64_t view_proc_exe(struct task *t, const char *name, char out[PATH_MAX])
{
    const char *rel;
    const struct mount *m =
        strcmp(name, "/proc/self/exe") == 0 ? view_mount(t->proc->box->view, name, &rel) : NULL;

    if (!m || m->kind != PLACE_PROC || view_proc_link(t, rel, out) != 0)
        return -ELOOP;
    return (int64_t)strlen(out);
}
