
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * LD_PRELOAD: one call fails, or the process dies before it.  The file named
 * by TECKEN_FAULT says which, "N E ID": the Nth of the calls below, counted
 * from when ID is seen first, fails with errno E, or the process gets SIGKILL
 * if E is 0.  The file is removed when that happens.
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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

    errno = err;

    return 1;
}


int
fsync(int fd)
{
    static int  (*next)(int);

    if (next == NULL) {
        next = (int (*)(int)) dlsym(RTLD_NEXT, "fsync");
    }

    return fault() ? -1 : next(fd);
}


int
renameat(int from, const char *old, int to, const char *new)
{
    static int  (*next)(int, const char *, int, const char *);

    if (next == NULL) {
        next = (int (*)(int, const char *, int, const char *))
               dlsym(RTLD_NEXT, "renameat");
    }

    return fault() ? -1 : next(from, old, to, new);
}
