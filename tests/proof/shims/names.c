/* A name service that is slow (SECONDS), fails (STATUS), or never answers (HANGS). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pwd.h>
#include <unistd.h>

typedef int look_up(const char *, struct passwd *, char *, size_t, struct passwd **);

int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, struct passwd **result)
{
#ifdef HANGS
    for (;;)
        pause();
#endif
#ifdef SECONDS
    sleep(SECONDS);
#endif
#ifdef STATUS
    *result = NULL;
    return STATUS;
#endif
    return ((look_up *)dlsym(RTLD_NEXT, "getpwnam_r"))(name, entry, buffer, size, result);
}
