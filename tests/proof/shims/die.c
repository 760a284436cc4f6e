/* A process that is killed at the call of its life that changes a file and has the number $DIE_AT: before it, or half way
 * through it if it writes. Without that many, all is as usual. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name, ...) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

static int is_last(void)
{
    static long calls;
    const char *last = getenv("DIE_AT");
    return last && ++calls == atol(last);
}

static void step(void)
{
    if (is_last())
        raise(SIGKILL);
}

static int opened(const char *name, const char *path, int flags, mode_t mode)
{
    if ((flags & O_ACCMODE) != O_RDONLY)
        step();
    return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name))(path, flags, mode);
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

ssize_t write(int descriptor, const void *content, size_t size)
{
    if (descriptor > 2 && is_last()) {
        REAL(write, descriptor, content, size / 2);
        raise(SIGKILL);
    }
    return REAL(write, descriptor, content, size);
}

int fsync(int descriptor)
{
    step();
    return REAL(fsync, descriptor);
}

int fchmod(int descriptor, mode_t mode)
{
    step();
    return REAL(fchmod, descriptor, mode);
}

int flock(int descriptor, int operation)
{
    step();
    return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(descriptor, operation);
}

int rename(const char *from, const char *to)
{
    step();
    return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}

int unlink(const char *path)
{
    step();
    return REAL(unlink, path);
}

int mkdir(const char *path, mode_t mode)
{
    step();
    return REAL(mkdir, path, mode);
}
