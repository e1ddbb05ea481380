
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * Preloaded into nginx: the longest that an event loop was away from
 * epoll_wait(), in nanoseconds of its own thread's CPU time, which neither
 * other processes nor the pools' threads lengthen.  A worker adds its turns to
 * the file that TECKEN_LOOP names: the longest one, and all of them.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>


typedef struct {
    uint64_t  longest;
    uint64_t  sum;
} turns_t;


typedef int (*epoll_wait_pt)(int, struct epoll_event *, int, int);


static turns_t *
turns(void)
{
    int              fd;
    void            *p;
    const char      *name;

    static turns_t  *shared;

    if (shared == NULL) {
        name = getenv("TECKEN_LOOP");
        fd = name ? open(name, O_RDWR|O_CLOEXEC) : -1;

        if (fd == -1) {
            return NULL;
        }

        p = mmap(NULL, sizeof(turns_t), PROT_READ|PROT_WRITE, MAP_SHARED, fd,
                 0);
        (void) close(fd);

        shared = (p == MAP_FAILED) ? NULL : p;
    }

    return shared;
}


static uint64_t
now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}


int
epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
    int                   n;
    uint64_t              turn;
    turns_t              *t;

    static uint64_t       began;
    static epoll_wait_pt  real;

    if (real == NULL) {
        real = (epoll_wait_pt) dlsym(RTLD_NEXT, "epoll_wait");
    }

    t = turns();

    if (t && began) {
        turn = now() - began;
        t->sum += turn;

        if (turn > t->longest) {
            t->longest = turn;
        }
    }

    n = real(epfd, events, maxevents, timeout);

    began = now();

    return n;
}
