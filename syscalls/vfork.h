/*
 * The waiting half of vfork: the parent goes on only when the child has exec'ed or ended. The child has a
 * copy of the memory, not the memory itself.
 */
#ifndef NOAHV_SYSCALLS_VFORK_H
#define NOAHV_SYSCALLS_VFORK_H

#include "syscalls/linux.h"

/* Before the clone: 0, or -EAGAIN, -EMFILE. */
int vfork_open(struct process *p);

/* In the child of any fork: takes over the gate that was opened for it (`vfork`), drops what it inherited. */
void vfork_child(struct process *p, bool vfork);

/* In the child at execve: opens the gate, if there is one. At the child's end the host does. */
void vfork_done(struct process *p);

/* In the parent: waits for the gate when there is a child, then removes it. */
void vfork_wait(struct process *p, bool child);

#endif
