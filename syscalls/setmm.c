/*
 * prctl(PR_SET_MM): what /proc tells of an image, as programs that restore another or give themselves a title set it.
 * Rules: kernel/sys.c prctl_set_mm. But for the heap's end nothing but /proc depends on it.
 */
#include "syscalls/mm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "syscalls/fd.h"
#include "syscalls/procgen.h"

/* By option: the field that it sets. */
static const uint8_t fields[] = {
#define FIELD(option, name) [PR_SET_MM_##option] = offsetof(struct prctl_mm_map, name)
    FIELD(START_CODE, start_code),
    FIELD(END_CODE, end_code),
    FIELD(START_DATA, start_data),
    FIELD(END_DATA, end_data),
    FIELD(START_STACK, start_stack),
    FIELD(START_BRK, start_brk),
    FIELD(BRK, brk),
    FIELD(ARG_START, arg_start),
    FIELD(ARG_END, arg_end),
    FIELD(ENV_START, env_start),
    FIELD(ENV_END, env_end),
#undef FIELD
};

/* Where each field of the structure is kept. */
#define EACH(of)                                                                                     \
    of(start_code, image.start_code) of(end_code, image.end_code) of(start_data, image.start_data)   \
        of(end_data, image.end_data) of(start_brk, brk_start) of(brk, brk) of(start_stack, stack.sp) \
            of(arg_start, stack.arg_start) of(arg_end, stack.arg_end) of(env_start, stack.env_start) \
                of(env_end, stack.env_end)

/* validate_prctl_map_addr */
static int check(const struct task *t, const struct prctl_mm_map *m)
{
    const struct rlimit *data = &t->proc->data_limit;

#define OUTSIDE(field, at) || m->field >= t->mem->limit || m->field < MM_MIN_ADDR
    if (0 EACH(OUTSIDE))
        return -EINVAL;
#undef OUTSIDE
    if (m->start_code >= m->end_code || m->start_data > m->end_data || m->start_brk > m->brk ||
        m->arg_start > m->arg_end || m->env_start > m->env_end)
        return -EINVAL;
    return data->rlim_cur != RLIM_INFINITY &&
                   m->brk - m->start_brk + m->end_data - m->start_data > data->rlim_cur
               ? -EINVAL
               : 0;
}

/* The auxiliary vector's last entry is always AT_NULL; of what is not given, the old one stays. */
static int auxv_in(struct task *t, uint64_t auxv[MM_AUXV_WORDS], gva_t from, uint64_t len)
{
    memset(auxv, 0, sizeof t->proc->mm->auxv);
    if (len > sizeof t->proc->mm->auxv)
        return -EINVAL;
    if (copy_in(t->mem, auxv, from, len))
        return -EFAULT;
    auxv[MM_AUXV_WORDS - 2] = auxv[MM_AUXV_WORDS - 1] = 0;
    return 0;
}

static int64_t set_auxv(struct task *t, gva_t from, uint64_t len)
{
    struct mm *mm = t->proc->mm;
    uint64_t auxv[MM_AUXV_WORDS];
    int r = auxv_in(t, auxv, from, len);

    if (r < 0)
        return r;
    pthread_mutex_lock(&mm->lock);
    memcpy(mm->auxv, auxv, len);
    pthread_mutex_unlock(&mm->lock);
    return 0;
}

/* prctl_set_mm_exe_file: another program, when nothing of the old one is mapped any more. */
static int set_exe(struct task *t, int fd)
{
    struct process *p = t->proc;
    struct stat st;

    if (fd_is_own(fd) || HOST_RAW(SYS_fstat, fd, &st) < 0)
        return -EBADF;
    if (!S_ISREG(st.st_mode) || HOST_RAW(SYS_faccessat2, fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) < 0)
        return -EACCES;
    if (p->exe_fd >= 0 && maps_have(t, p->exe_fd))
        return -EBUSY;
    return p->exe_fd >= 0 ? fd_renew(p->exe_fd, fd) : MIN(fd_hold(fd, &p->exe_fd), 0);
}

static bool may_restore(void)
{
    enum { HOST_CAP_CHECKPOINT_RESTORE = 40 };
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

    return HOST_RAW(SYS_capget, &head, data) == 0 &&
           (data[0].effective & 1u << CAP_SYS_ADMIN ||
            data[1].effective & 1u << (HOST_CAP_CHECKPOINT_RESTORE - 32));
}

static void store(struct mm *mm, const struct prctl_mm_map *m)
{
#define STORE(field, at) mm->at = m->field;
    EACH(STORE)
#undef STORE
}

/* prctl_set_mm_map: all at once, without privilege. */
static int64_t set_map(struct task *t, gva_t from, uint64_t size)
{
    struct mm *mm = t->proc->mm;
    uint64_t auxv[MM_AUXV_WORDS];
    struct prctl_mm_map m;
    int r;

    if (size != sizeof m)
        return -EINVAL;
    if (get_user(t->mem, &m, from))
        return -EFAULT;
    r = check(t, &m);
    if (r == 0 && m.auxv_size)
        r = m.auxv ? auxv_in(t, auxv, (gva_t)(uintptr_t)m.auxv, m.auxv_size) : -EINVAL;
    if (r == 0 && m.exe_fd != UINT32_MAX)
        r = may_restore() ? set_exe(t, (int)m.exe_fd) : -EPERM;
    if (r < 0)
        return r;
    pthread_mutex_lock(&mm->lock);
    store(mm, &m);
    if (m.auxv_size)
        memcpy(mm->auxv, auxv, sizeof auxv);
    pthread_mutex_unlock(&mm->lock);
    return 0;
}

static int64_t set_field(struct task *t, uint64_t option, gva_t addr)
{
    struct mm *mm = t->proc->mm;
    struct prctl_mm_map m = { 0 };
    struct region r;
    int64_t err;

    if (addr >= t->mem->limit || addr < MM_MIN_ADDR)
        return -EINVAL;
    if (option < PR_SET_MM_START_CODE || option >= ARRAY_SIZE(fields))
        return -EINVAL;
    pthread_mutex_lock(&mm->lock);
#define LOAD(field, at) m.field = mm->at;
    EACH(LOAD)
#undef LOAD
    memcpy((char *)&m + fields[option], &addr, sizeof addr);
    err = check(t, &m);
    if (err == 0 && (option == PR_SET_MM_START_STACK || option >= PR_SET_MM_ARG_START) &&
        !gmem_region_from(t->mem, addr, &r))
        err = -EFAULT;
    if (err == 0)
        store(mm, &m);
    pthread_mutex_unlock(&mm->lock);
    return err;
}

/* CAP_SYS_RESOURCE counts only where it is held over the machine, which the host alone knows. */
static bool host_would(const struct task *t)
{
    return !t->proc->box && HOST_RAW(SYS_prctl, PR_SET_MM, 0, 0, 0, 0) != -EPERM;
}

int64_t mm_prctl(struct task *t, uint64_t option, gva_t addr, uint64_t arg4, uint64_t arg5)
{
    uint32_t size = sizeof(struct prctl_mm_map);
    int opt = (int)option; /* as the kernel's function takes it */

    if (arg5 || (arg4 && opt != PR_SET_MM_AUXV && opt != PR_SET_MM_MAP && opt != PR_SET_MM_MAP_SIZE))
        return -EINVAL;
    if (opt == PR_SET_MM_MAP_SIZE)
        return put_user(t->mem, addr, &size);
    if (opt == PR_SET_MM_MAP)
        return set_map(t, addr, arg4);
    if (!host_would(t))
        return -EPERM;
    if (opt == PR_SET_MM_EXE_FILE)
        return set_exe(t, (int)addr);
    return opt == PR_SET_MM_AUXV ? set_auxv(t, addr, arg4) : set_field(t, (uint32_t)opt, addr);
}
