
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * LD_PRELOAD: one call fails, or the process dies before it.  The file named
 * by TECKEN_FAULT says which, "N E ID": the Nth of the calls below, counted
 * from when ID is seen first, fails with errno E, or the process gets SIGKILL
 * if E is 0, or right after it if E is -1, or SIGSTOP before it and right
 * after it if E is -2.  The file is removed when that happens.
 *
 * The file named by TECKEN_FREE, if it is there, says how many bytes any disk
 * has free.
 *
 * While the file named by TECKEN_FULL is there, no write to a file in a folder
 * "temp" finds room.
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>


static pthread_mutex_t  lock = PTHREAD_MUTEX_INITIALIZER;
static int              count;
static int              seen;


static int
fault(void)
{
    int          n, err, id, hit;
    FILE        *f;
    const char  *name;

    name = getenv("TECKEN_FAULT");
    if (name == NULL) {
        return 0;
    }

    f = fopen(name, "r");
    if (f == NULL) {
        return 0;
    }

    hit = 0;
    err = 0;

    if (fscanf(f, "%d %d %d", &n, &err, &id) == 3) {
        pthread_mutex_lock(&lock);

        if (id != seen) {
            seen = id;
            count = 0;
        }

        hit = (++count == n);

        pthread_mutex_unlock(&lock);
    }

    fclose(f);

    if (!hit) {
        return 0;
    }

    unlink(name);

    if (err == 0) {
        raise(SIGKILL);
    }

    if (err == -2) {
        raise(SIGSTOP);
    }

    if (err < 0) {
        return err;
    }

    errno = err;

    return 1;
}


static int
after(int how, int rc)
{
    if (how == -1) {
        raise(SIGKILL);
    }

    if (how == -2) {
        raise(SIGSTOP);
    }

    return rc;
}


static int
full(int fd)
{
    int          n;
    char         link[64], path[4096];
    const char  *name;

    name = getenv("TECKEN_FULL");
    if (name == NULL || access(name, F_OK) == -1) {
        return 0;
    }

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);

    n = (int) readlink(link, path, sizeof(path) - 1);
    if (n == -1) {
        return 0;
    }

    path[n] = '\0';

    if (strstr(path, "/temp/") == NULL) {
        return 0;
    }

    errno = ENOSPC;

    return 1;
}


static int
available(int rc, unsigned long *blocks, unsigned long *size)
{
    FILE           *f;
    const char     *name;
    unsigned long   n;

    name = getenv("TECKEN_FREE");

    f = (rc == 0 && name) ? fopen(name, "r") : NULL;

    if (f == NULL) {
        return rc;
    }

    if (fscanf(f, "%lu", &n) == 1) {
        *blocks = n;
        *size = 1;
    }

    fclose(f);

    return rc;
}


int
statfs64(const char *path, struct statfs64 *st)
{
    int            rc;
    unsigned long  blocks, size;
    static int   (*next)(const char *, struct statfs64 *);

    if (next == NULL) {
        next = (int (*)(const char *, struct statfs64 *)) dlsym(RTLD_NEXT,
                                                                "statfs64");
    }

    rc = next(path, st);

    if (rc == 0) {
        blocks = st->f_bavail;
        size = st->f_bsize;
        rc = available(rc, &blocks, &size);
        st->f_bavail = blocks;
        st->f_bsize = size;
    }

    return rc;
}


int
fsync(int fd)
{
    int          how;
    static int  (*next)(int);

    if (next == NULL) {
        next = (int (*)(int)) dlsym(RTLD_NEXT, "fsync");
    }

    how = fault();

    return how == 1 ? -1 : after(how, next(fd));
}


int
renameat(int from, const char *old, int to, const char *new)
{
    int          how;
    static int  (*next)(int, const char *, int, const char *);

    if (next == NULL) {
        next = (int (*)(int, const char *, int, const char *))
               dlsym(RTLD_NEXT, "renameat");
    }

    how = fault();

    return how == 1 ? -1 : after(how, next(from, old, to, new));
}


int
rename(const char *old, const char *new)
{
    int          how;
    static int  (*next)(const char *, const char *);

    if (next == NULL) {
        next = (int (*)(const char *, const char *)) dlsym(RTLD_NEXT,
                                                           "rename");
    }

    how = fault();

    return how == 1 ? -1 : after(how, next(old, new));
}


int
unlink(const char *path)
{
    int          how;
    const char  *name;
    static int  (*next)(const char *);

    if (next == NULL) {
        next = (int (*)(const char *)) dlsym(RTLD_NEXT, "unlink");
    }

    /* that of fault() */

    name = getenv("TECKEN_FAULT");

    how = (name && strcmp(name, path) == 0) ? 0 : fault();

    return how == 1 ? -1 : after(how, next(path));
}


ssize_t
write(int fd, const void *data, size_t size)
{
    static ssize_t  (*next)(int, const void *, size_t);

    if (next == NULL) {
        next = (ssize_t (*)(int, const void *, size_t)) dlsym(RTLD_NEXT,
                                                              "write");
    }

    return full(fd) ? -1 : next(fd, data, size);
}


ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    static ssize_t  (*next)(int, const struct iovec *, int);

    if (next == NULL) {
        next = (ssize_t (*)(int, const struct iovec *, int)) dlsym(RTLD_NEXT,
                                                                   "writev");
    }

    return full(fd) ? -1 : next(fd, iov, n);
}


ssize_t
pwrite(int fd, const void *data, size_t size, off_t offset)
{
    static ssize_t  (*next)(int, const void *, size_t, off_t);

    if (next == NULL) {
        next = (ssize_t (*)(int, const void *, size_t, off_t))
               dlsym(RTLD_NEXT, "pwrite");
    }

    return full(fd) ? -1 : next(fd, data, size, offset);
}


ssize_t
pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    static ssize_t  (*next)(int, const void *, size_t, off64_t);

    if (next == NULL) {
        next = (ssize_t (*)(int, const void *, size_t, off64_t))
               dlsym(RTLD_NEXT, "pwrite64");
    }

    return full(fd) ? -1 : next(fd, data, size, offset);
}
