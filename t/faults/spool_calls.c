
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * LD_PRELOAD: calls of the spool's writer fail, are late, or are the last of
 * the process.  The file named by TECKEN_FAULT says which, "CALL E N": the
 * next N of CALL fail with errno E; E 0: SIGKILL in front of it; E below 0:
 * that many milliseconds late.  The file is removed when all have happened.
 *
 * Calls: open (a new file), opendir (a directory), writev (to a file), short
 * (a writev that writes half), fsync (a file), syncdir, pread (of what was
 * synced), rename, close.
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>


static pthread_mutex_t  lock = PTHREAD_MUTEX_INITIALIZER;
static int              left;


static void *
real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}


static int
fault(const char *call)
{
    int          n, err, hit;
    char         name[32];
    FILE        *f;
    const char  *path;

    path = getenv("TECKEN_FAULT");
    f = path ? fopen(path, "r") : NULL;

    if (f == NULL) {
        return 0;
    }

    hit = 0;

    if (fscanf(f, "%31s %d %d", name, &err, &n) == 3
        && strcmp(name, call) == 0)
    {
        pthread_mutex_lock(&lock);

        if (left == 0) {
            left = n;
        }

        hit = 1;

        if (--left == 0) {
            unlink(path);
        }

        pthread_mutex_unlock(&lock);
    }

    fclose(f);

    if (!hit) {
        return 0;
    }

    if (err < 0) {
        usleep((useconds_t) -err * 1000);
        return 0;
    }

    if (err == 0) {
        raise(SIGKILL);
    }

    errno = err;

    return 1;
}


static int
is(int fd, mode_t type)
{
    struct stat  st;

    return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type;
}


static int
opened(const char *name, const char *path, int flags, mode_t mode)
{
    int  (*next)(const char *, int, ...);

    if ((flags & (O_CREAT|O_EXCL)) == (O_CREAT|O_EXCL) && fault("open")) {
        return -1;
    }

    if ((flags & O_DIRECTORY) && fault("opendir")) {
        return -1;
    }

    next = (int (*)(const char *, int, ...)) real(name);

    return next(path, flags, mode);
}


int
open(const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);

    return opened("open", path, flags, mode);
}


int
open64(const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);

    return opened("open64", path, flags, mode);
}


ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    struct iovec  half;
    ssize_t     (*next)(int, const struct iovec *, int);

    next = (ssize_t (*)(int, const struct iovec *, int)) real("writev");

    if (is(fd, S_IFREG)) {

        if (fault("writev")) {
            return -1;
        }

        if (fault("short")) {
            half = iov[0];
            half.iov_len = (half.iov_len + 1) / 2;

            return next(fd, &half, 1);
        }
    }

    return next(fd, iov, n);
}


int
fsync(int fd)
{
    int  (*next)(int);

    next = (int (*)(int)) real("fsync");

    if (is(fd, S_IFDIR)) {
        return fault("syncdir") ? -1 : next(fd);
    }

    return fault("fsync") ? -1 : next(fd);
}


ssize_t
pread64(int fd, void *buf, size_t len, off64_t offset)
{
    ssize_t  (*next)(int, void *, size_t, off64_t);

    next = (ssize_t (*)(int, void *, size_t, off64_t)) real("pread64");

    return fault("pread") ? -1 : next(fd, buf, len, offset);
}


int
rename(const char *old, const char *new)
{
    int  (*next)(const char *, const char *);

    next = (int (*)(const char *, const char *)) real("rename");

    return fault("rename") ? -1 : next(old, new);
}


int
close(int fd)
{
    int    flags;
    int  (*next)(int);

    next = (int (*)(int)) real("close");
    flags = fcntl(fd, F_GETFL);

    if (flags != -1 && (flags & O_ACCMODE) != O_RDONLY && is(fd, S_IFREG)
        && fault("close"))
    {
        (void) next(fd);
        errno = EIO;
        return -1;
    }

    return next(fd);
}
