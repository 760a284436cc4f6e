/* A clock that is OFFSET seconds off. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

typedef int look(clockid_t, struct timespec *);

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = ((look *)dlsym(RTLD_NEXT, "clock_gettime"))(clock, now);
    if (clock == CLOCK_REALTIME)
        now->tv_sec += OFFSET;
    return status;
}
