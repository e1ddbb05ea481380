
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * LD_PRELOAD: calls on certain files fail, are slow, or kill the process.
 * The file named by TECKEN_FAULT says which, "CALL TEXT N E ID": the Nth CALL
 * (0: each one) on a file whose path has TEXT in it, counted in a process
 * from when ID is seen first, fails with errno E; gets SIGKILL if E is 0; is
 * done after so many milliseconds if E is negative.  But for those of N 0,
 * the file of the fault is removed when that happens.
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>


static pthread_mutex_t  lock = PTHREAD_MUTEX_INITIALIZER;
static int              count;
static int              seen;


static int
fault(const char *call, const char *path, int fd)
{
    int          n, err, id, hit;
    char         what[32], text[256], own[PATH_MAX], link[64];
    FILE        *f;
    ssize_t      len;
    const char  *name;

    name = getenv("TECKEN_FAULT");

    if (name == NULL || access(name, R_OK) != 0) {
        return 0;
    }

    f = fopen(name, "r");
    if (f == NULL) {
        return 0;
    }

    n = fscanf(f, "%31s %255s %d %d %d", what, text, &hit, &err, &id);
    fclose(f);

    if (n != 5 || strcmp(what, call) != 0) {
        return 0;
    }

    n = hit;

    if (path == NULL) {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);

        len = readlink(link, own, sizeof(own) - 1);
        if (len < 0) {
            return 0;
        }

        own[len] = '\0';
        path = own;
    }

    if (strstr(path, text) == NULL) {
        return 0;
    }

    if (n) {
        pthread_mutex_lock(&lock);

        if (id != seen) {
            seen = id;
            count = 0;
        }

        hit = (++count == n);

        pthread_mutex_unlock(&lock);

        if (!hit) {
            return 0;
        }

        unlink(name);
    }

    if (err == 0) {
        raise(SIGKILL);
    }

    if (err < 0) {
        usleep(-err * 1000);
        return 0;
    }

    errno = err;

    return 1;
}


#define NEXT(ret, name, ...)                                                  \
    static ret  (*next)(__VA_ARGS__);                                         \
                                                                              \
    if (next == NULL) {                                                       \
        next = (ret (*)(__VA_ARGS__)) dlsym(RTLD_NEXT, name);                 \
    }


int
fsync(int fd)
{
    NEXT(int, "fsync", int)

    return fault("fsync", NULL, fd) ? -1 : next(fd);
}


int
rename(const char *old, const char *new)
{
    NEXT(int, "rename", const char *, const char *)

    return fault("rename", old, -1) ? -1 : next(old, new);
}


int
unlink(const char *path)
{
    const char  *name;

    NEXT(int, "unlink", const char *)

    name = getenv("TECKEN_FAULT");

    if (name && strcmp(name, path) == 0) {
        return next(path);
    }

    return fault("unlink", path, -1) ? -1 : next(path);
}


int
open64(const char *path, int flags, ...)
{
    int      mode;
    va_list  args;

    NEXT(int, "open64", const char *, int, int)

    va_start(args, flags);
    mode = va_arg(args, int);
    va_end(args);

    return fault("open", path, -1) ? -1 : next(path, flags, mode);
}


ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    NEXT(ssize_t, "writev", int, const struct iovec *, int)

    return fault("writev", NULL, fd) ? -1 : next(fd, iov, n);
}


ssize_t
pread64(int fd, void *buf, size_t len, off64_t offset)
{
    NEXT(ssize_t, "pread64", int, void *, size_t, off64_t)

    return fault("pread", NULL, fd) ? -1 : next(fd, buf, len, offset);
}
