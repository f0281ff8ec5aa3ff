/* For LD_PRELOAD: the clock that can be set is as many seconds off as the file SET_CLOCK says in a
 * `long`, at every moment; the seconds that only run are left alone. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long *off;

static long seconds(void) {
    const char *path = getenv("SET_CLOCK");
    if (!off && path) {
        int file = open(path, O_RDONLY | O_CLOEXEC);
        void *there = file < 0 ? MAP_FAILED : mmap(0, sizeof *off, PROT_READ, MAP_SHARED, file, 0);
        if (there != MAP_FAILED) off = there;
        if (file >= 0) close(file);
    }
    return off ? *off : 0;
}

int clock_gettime(clockid_t clock, struct timespec *moment) {
    int failed = syscall(SYS_clock_gettime, clock, moment);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        moment->tv_sec += seconds();
    return failed;
}

int gettimeofday(struct timeval *moment, void *zone) {
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise)) return -1;
    moment->tv_sec = precise.tv_sec;
    moment->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *moment) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (moment) *moment = precise.tv_sec;
    return precise.tv_sec;
}
