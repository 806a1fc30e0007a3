// What Swift's Glibc module leaves out.
#ifndef C_BENCH_LINUX_H
#define C_BENCH_LINUX_H
#include <sys/epoll.h>
#include <sys/prctl.h>

/// Lets the kernel wake this thread when asked, not up to 50 µs later.
void cbench_precise_timers(void);
#endif
