// What Swift's importer cannot see of Linux: variadic calls, macros and GNU extensions.
#ifndef MQLINUX_H
#define MQLINUX_H
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

/// open(2) with O_CLOEXEC; `mode` is used when the flags create.
int mq_open(const char *path, int flags, mode_t mode);
/// accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC.
int mq_accept(int fd, void *address, unsigned int *length);
/// fallocate(2) over the whole range, mode 0.
int mq_fallocate(int fd, off_t offset, off_t length);
/// fallocate(2) with FALLOC_FL_ZERO_RANGE: the range reads as zeroes, the length stays.
int mq_zero_range(int fd, off_t offset, off_t length);
/// fallocate(2) with FALLOC_FL_PUNCH_HOLE: the range reads as zeroes and takes no room, the length stays.
int mq_punch_hole(int fd, off_t offset, off_t length);
/// preadv2(2) with RWF_NOWAIT: fails with EAGAIN rather than wait for the disk.
ssize_t mq_pread_nowait(int fd, void *bytes, size_t count, off_t offset);
/// mincore(2): whether each page of the mapped range is in memory; one byte a page, bit 0.
int mq_mincore(const void *start, size_t bytes, unsigned char *pages);
/// madvise(2) with MADV_WILLNEED: begins to read the mapped range's file, without waiting for the disk to deliver.
int mq_will_need(const void *start, size_t bytes);
/// Reads the mapped range's file into memory and waits until it is there; the range begins at a page.
void mq_bring_in(const void *start, size_t bytes);
struct iovec;
/// Asks the processor to load what `pieces` name, `bytes_max` bytes at most. A hint: never waits for a page and never
/// faults.
void mq_prefetch(const struct iovec *pieces, int count, size_t bytes_max);
/// Names the calling thread (15 bytes at most).
void mq_name_thread(const char *name);
/// Lowers the calling thread's share of a busy processor, as nice(2) does for a process; 0 changes nothing.
void mq_nice_thread(int nice);
/// Locks the whole file exclusively without waiting, as Java's FileChannel.tryLock on bytes 0..<1 sees it.
int mq_lock_file(int fd);
/// Who holds the lock that mq_lock_file would take: its process id, 0 if nobody or this process does, -1 on failure.
int mq_lock_holder(int fd);
/// renameat2(2) with RENAME_EXCHANGE: both names exist before and after, and whoever looks finds both.
int mq_exchange(const char *left, const char *right);
/// The O_DIRECT flag.
int mq_o_direct(void);
/// Runs `body(context)` on a new detached-from-name thread of `stack_bytes`; returns pthread_create's result.
int mq_spawn(void (*body)(void *), void *context, size_t stack_bytes, unsigned long *thread);
/// Waits for a thread that mq_spawn started.
void mq_join(unsigned long thread);
/// Total bytes and bytes available to us of the file system at `path`; -1 with errno on failure.
int mq_disk_space(const char *path, uint64_t *total, uint64_t *available, uint64_t *used);
/// pthread_mutex_clocklock(3) of a `pthread_mutex_t` by the monotonic clock, nanoseconds; ETIMEDOUT when it is over.
int mq_lock_until(void *mutex, int64_t nanoseconds);
/// Bytes of memory of this machine.
uint64_t mq_physical_memory(void);
/// Processors that this process may run on (sched_getaffinity(2)); at least 1.
int mq_processor_count(void);

/// One ready descriptor: `events` are epoll's bits, `key` is what mq_poller_watch was given.
struct mq_ready {
    uint64_t key;
    uint32_t events;
};
/// epoll_create1(2).
int mq_poller(void);
/// Adds (1), changes (2) or removes (3) the watch on `fd`; epoll_ctl(2).
int mq_poller_watch(int poller, int operation, int fd, uint32_t events, uint64_t key);
/// epoll_wait(2) into at most `count` (256 at most) entries.
int mq_poller_wait(int poller, struct mq_ready *ready, int count, int milliseconds);
/// eventfd(2), not blocking.
int mq_waker(void);
/// Adds one to the counter: its poller wakes.
void mq_wake(int waker);
/// Sets the counter to zero.
void mq_waker_clear(int waker);
/// The bits of `events`: readable, writable, the peer has closed its side, error, hang-up.
enum { MQ_READABLE = 1, MQ_WRITABLE = 4, MQ_ERROR = 8, MQ_HANGUP = 16, MQ_PEER_CLOSED = 0x2000 };
#endif
