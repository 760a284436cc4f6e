/* A disk that fails: whatever opens $FAULTY gets OPENING as its error, or READING whoever reads it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static int faulty = -1;

static int opened(const char *name, const char *path, int flags, mode_t mode)
{
    const char *wanted = getenv("FAULTY");
    int is_faulty = wanted && strcmp(path, wanted) == 0;
#ifdef OPENING
    if (is_faulty) {
        errno = OPENING;
        return -1;
    }
#endif
    int descriptor = ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name))(path, flags, mode);
    if (is_faulty)
        faulty = descriptor;
    return descriptor;
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return opened("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return opened("open64", path, flags, mode);
}

#ifdef READING
ssize_t pread64(int descriptor, void *content, size_t size, off64_t offset)
{
    if (descriptor == faulty) {
        errno = READING;
        return -1;
    }
    return ((ssize_t (*)(int, void *, size_t, off64_t))dlsym(RTLD_NEXT, "pread64"))(descriptor, content, size, offset);
}
#endif
