/* Asynchronous I/O contexts across execve (aio.c). */
#ifndef NOAHV_SYSCALLS_AIO_H
#define NOAHV_SYSCALLS_AIO_H

/* Destroys every context: the old image's are not the new one's. */
void aio_exec(void);

/* In a fork child: it has none, and its parent's lock may be held for ever. */
void aio_forked(void);

#endif
