// What Swift's importer cannot see of Linux: variadic calls, macros and GNU extensions.
#ifndef MQLINUX_H
#define MQLINUX_H
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/socket.h>

/// open(2) with O_CLOEXEC; `mode` is used when the flags create.
int mq_open(const char *path, int flags, mode_t mode);
/// accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC.
int mq_accept(int fd, struct sockaddr *address, socklen_t *length);
/// fallocate(2) over the whole range, mode 0.
int mq_fallocate(int fd, off_t offset, off_t length);
/// preadv2(2) with RWF_NOWAIT: fails with EAGAIN rather than wait for the disk.
ssize_t mq_pread_nowait(int fd, void *bytes, size_t count, off_t offset);
/// Names the calling thread (15 bytes at most).
void mq_name_thread(const char *name);
/// Locks the whole file exclusively without waiting, as Java's FileChannel.tryLock on bytes 0..<1 sees it.
int mq_lock_file(int fd);
/// The O_DIRECT flag.
int mq_o_direct(void);
/// Runs `body(context)` on a new detached-from-name thread of `stack_bytes`; returns pthread_create's result.
int mq_spawn(void (*body)(void *), void *context, size_t stack_bytes, unsigned long *thread);
/// Waits for a thread that mq_spawn started.
void mq_join(unsigned long thread);
/// Total bytes and bytes available to us of the file system at `path`; -1 with errno on failure.
int mq_disk_space(const char *path, uint64_t *total, uint64_t *available);
/// Bytes of memory of this machine.
uint64_t mq_physical_memory(void);
#endif
