#define _GNU_SOURCE
#include "mqlinux.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

int mq_open(const char *path, int flags, mode_t mode) { return open(path, flags | O_CLOEXEC, mode); }

int mq_accept(int fd, void *address, unsigned int *length) {
    return accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int mq_fallocate(int fd, off_t offset, off_t length) { return fallocate(fd, 0, offset, length); }

int mq_zero_range(int fd, off_t offset, off_t length) {
    return fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, length);
}

int mq_punch_hole(int fd, off_t offset, off_t length) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

ssize_t mq_pread_nowait(int fd, void *bytes, size_t count, off_t offset) {
    struct iovec vector = {bytes, count};
    return preadv2(fd, &vector, 1, offset, RWF_NOWAIT);
}

int mq_mincore(const void *start, size_t bytes, unsigned char *pages) {
    return mincore((void *)start, bytes, pages);
}

int mq_will_need(const void *start, size_t bytes) { return madvise((void *)start, bytes, MADV_WILLNEED); }

void mq_bring_in(const void *start, size_t bytes) {
    enum { POPULATE_READ = 22 };  // MADV_POPULATE_READ, Linux 5.14; older headers lack it
    if (!madvise((void *)start, bytes, POPULATE_READ) || errno != EINVAL) return;
    for (size_t done = 0; done < bytes; done += 4096) (void)*((const volatile char *)start + done);
}

void mq_prefetch(const struct iovec *pieces, int count, size_t bytes_max) {
    for (int index = 0; index < count; index++) {
        const char *at = pieces[index].iov_base;
        size_t length = pieces[index].iov_len;
        if (length > bytes_max) return;
        for (size_t done = 0; done < length; done += 256) {
            __builtin_prefetch(at + done, 0, 2);
            __builtin_prefetch(at + done + 64, 0, 2);
            __builtin_prefetch(at + done + 128, 0, 2);
            __builtin_prefetch(at + done + 192, 0, 2);
        }
        bytes_max -= length;
    }
}

void mq_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

void mq_nice_thread(int nice) {
    // On Linux a nice value belongs to a thread.
    if (nice) setpriority(PRIO_PROCESS, (id_t)gettid(), nice);
}

int mq_lock_file(int fd) {
    // Java's FileChannel.tryLock(0, 1, false) is a POSIX record lock on the first byte.
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    return fcntl(fd, F_SETLK, &lock);
}

int mq_lock_holder(int fd) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    if (fcntl(fd, F_GETLK, &lock) != 0) return -1;
    return lock.l_type == F_UNLCK ? 0 : lock.l_pid > 0 ? lock.l_pid : 1;
}

int mq_exchange(const char *left, const char *right) {
    return renameat2(AT_FDCWD, left, AT_FDCWD, right, RENAME_EXCHANGE);
}

int mq_o_direct(void) { return O_DIRECT; }

struct start {
    void (*body)(void *);
    void *context;
};

static void *run(void *argument) {
    struct start start = *(struct start *)argument;
    free(argument);
    start.body(start.context);
    return NULL;
}

int mq_lock_until(void *mutex, int64_t nanoseconds) {
    struct timespec end = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &end);
}

int mq_spawn(void (*body)(void *), void *context, size_t stack_bytes, unsigned long *thread) {
    struct start *start = malloc(sizeof *start);
    if (!start) return 12;  // ENOMEM
    start->body = body;
    start->context = context;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_t handle;
    int result = pthread_create(&handle, &attributes, run, start);
    pthread_attr_destroy(&attributes);
    if (result) free(start);
    else *thread = handle;
    return result;
}

void mq_join(unsigned long thread) { pthread_join((pthread_t)thread, NULL); }

int mq_disk_space(const char *path, uint64_t *total, uint64_t *available, uint64_t *used) {
    struct statvfs space;
    if (statvfs(path, &space)) return -1;
    *total = (uint64_t)space.f_blocks * space.f_frsize;
    *available = (uint64_t)space.f_bavail * space.f_frsize;
    *used = (uint64_t)(space.f_blocks - space.f_bfree) * space.f_frsize;
    return 0;
}

uint64_t mq_physical_memory(void) { return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE); }

int mq_processor_count(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
}

_Static_assert(EPOLLIN == MQ_READABLE && EPOLLOUT == MQ_WRITABLE && EPOLLERR == MQ_ERROR, "epoll's bits");
_Static_assert(EPOLLHUP == MQ_HANGUP && EPOLLRDHUP == MQ_PEER_CLOSED, "epoll's bits");
_Static_assert(EPOLL_CTL_ADD == 1 && EPOLL_CTL_DEL == 2 && EPOLL_CTL_MOD == 3, "epoll's operations");

int mq_poller(void) { return epoll_create1(EPOLL_CLOEXEC); }

int mq_poller_watch(int poller, int operation, int fd, uint32_t events, uint64_t key) {
    static const int operations[] = {0, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL};
    struct epoll_event event = {.events = events, .data.u64 = key};
    return epoll_ctl(poller, operations[operation], fd, &event);
}

int mq_poller_wait(int poller, struct mq_ready *ready, int count, int milliseconds) {
    struct epoll_event events[256];
    int found = epoll_wait(poller, events, count < 256 ? count : 256, milliseconds);
    for (int index = 0; index < found; index++) {
        ready[index].key = events[index].data.u64;
        ready[index].events = events[index].events;
    }
    return found;
}

int mq_waker(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

void mq_wake(int waker) { eventfd_write(waker, 1); }

void mq_waker_clear(int waker) {
    eventfd_t value;
    eventfd_read(waker, &value);
}
