/*
 * Hosts a guest in the manner of KVM's run loop: every exit passes through here on its way to the Linux
 * personality. This host answers getppid itself.   cc run-loop.c $(pkg-config --cflags --libs noahv)
 */
#include <noahv.h>
#include <stdio.h>

int main(int argc, char **argv, char **envp)
{
    struct noahv_linux_config cfg;
    struct noahv_vm *vm;
    struct noahv_hart *hart;
    struct noahv_exit x;
    int err;

    noahv_linux_config_init(&cfg);
    cfg.path = argv[argc > 1];
    cfg.argv = argv + (argc > 1);
    cfg.envp = envp;
    if (noahv_vm_create(NULL, &vm) < 0)
        return fprintf(stderr, "%s\n", noahv_last_error(NULL)), 125;
    if (noahv_linux_exec(vm, &cfg, &hart) < 0)
        return fprintf(stderr, "%s\n", noahv_last_error(vm)), 126;

    while ((err = noahv_run(hart, &x)) == 0) {
        if (x.reason == NOAHV_EXIT_ECALL && x.u.ecall.nr == 173) { /* getppid */
            noahv_set_reg(hart, 10, 4242);
            noahv_set_reg(hart, NOAHV_REG_PC, x.pc + 4);
        } else if ((err = noahv_linux_handle(hart, &x)) < 0 || x.reason == NOAHV_EXIT_HALT) {
            break;
        }
    }
    noahv_vm_destroy(vm);
    return err < 0 ? 125 : x.u.halt.status;
}
