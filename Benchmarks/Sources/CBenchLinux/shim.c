#include "CBenchLinux.h"

void cbench_precise_timers(void) { prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); }
