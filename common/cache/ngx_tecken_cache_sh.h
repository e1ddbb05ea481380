
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_CACHE_SH_H_INCLUDED_
#define _NGX_TECKEN_CACHE_SH_H_INCLUDED_


/* private to this room: the layout of the zone and of a process's handle */


#include <ngx_tecken_cache.h>


#define NGX_TECKEN_CACHE_SECRET   16

/* queues of waiters in a process, a power of two */
#define NGX_TECKEN_FLIGHT_QUEUES  256

/* state of a flight in the zone; the results stay until it is used again */
#define NGX_TECKEN_FLIGHT_LOST    0
#define NGX_TECKEN_FLIGHT_OPEN    1
#define NGX_TECKEN_FLIGHT_LANDED  2
#define NGX_TECKEN_FLIGHT_FAILED  3

/* state of ngx_tecken_flight_t */
#define NGX_TECKEN_FLIGHT_IDLE     0
#define NGX_TECKEN_FLIGHT_WAITING  1
#define NGX_TECKEN_FLIGHT_READY    2
#define NGX_TECKEN_FLIGHT_OWNER    3


/*
 * Everything in the zone is addressed by index, and index 0 is none: node 0
 * is the sentinel of the LRU list, flight 0 is not used.
 */

typedef struct {
    ngx_tecken_cache_key_t         key;
    uint32_t                       chain;     /* of a bucket, or free */
    uint32_t                       prev;      /* LRU */
    uint32_t                       next;
    uint32_t                       expire;    /* in ticks, 0: no value */
    uint32_t                       flight;    /* an open one, or 0 */
    uint16_t                       value;
    uint16_t                       touched;   /* when it came to the front */
} ngx_tecken_cache_node_t;


typedef struct {
    ngx_msec_t                     deadline;
    ngx_pid_t                      owner;     /* 0: vacant */
    uint32_t                       sequence;
    uint32_t                       turn;      /* changes with the owner */
    uint32_t                       node;      /* 0: its key was deleted */
    uint32_t                       next;      /* free */
    uint16_t                       value;
    u_char                         state;
    u_char                         others;    /* other processes wait */
} ngx_tecken_cache_flight_t;


struct ngx_tecken_cache_sh_s {
    u_char                         secret[NGX_TECKEN_CACHE_SECRET];

    uint32_t                       capacity;
    uint32_t                       nflights;
    size_t                         bytes;

    uint32_t                      *buckets;   /* capacity of them */
    ngx_tecken_cache_node_t       *nodes;     /* capacity + 1 */
    ngx_tecken_cache_flight_t     *flights;   /* nflights + 1 */

    /* above is read only once made, below is written under the lock */

    u_char                         padding[64];

    /*
     * Set while the lists are being changed: who takes the lock and finds it
     * set takes it from a process that was killed, and empties the table.
     */
    volatile uint32_t              dirty;

    uint32_t                       sequence;  /* the last one given out */

    uint32_t                       keys;
    uint32_t                       free;      /* nodes that were freed */
    uint32_t                       fresh;     /* nodes that were ever used */

    uint32_t                       open;      /* flights under way */
    uint32_t                       landed;    /* flights to be used again, */
    uint32_t                       landed_last;    /* oldest first */
    uint32_t                       taken;     /* flights that were ever used */
    uint32_t                       hand;      /* looks for forgotten ones */

    ngx_uint_t                     evictions;
    ngx_uint_t                     resets;
};


struct ngx_tecken_cache_s {
    ngx_tecken_cache_sh_t         *sh;
    ngx_slab_pool_t               *shpool;

    /* flights of this process that wait, by index of the flight in sh */
    ngx_queue_t                    waiting[NGX_TECKEN_FLIGHT_QUEUES];
    ngx_queue_t                    ready;     /* have a result */
    ngx_uint_t                     waiters;   /* in both */

    ngx_event_t                    poll;
    ngx_event_t                    wake;
    ngx_connection_t               dummy;

    unsigned                       waking:1;
};


#define ngx_tecken_cache_node(sh, i)    (&(sh)->nodes[i])
#define ngx_tecken_cache_flight(sh, i)  (&(sh)->flights[i])

#define ngx_tecken_flight_late(deadline)                                      \
    ((ngx_msec_int_t) (ngx_current_msec - (deadline)) >= 0)

/* milliseconds that do not wrap while a zone lives */

#if (NGX_PTR_SIZE == 8)

#define ngx_tecken_cache_msec()         ((uint64_t) ngx_current_msec)

#else

#define ngx_tecken_cache_msec()         ngx_tecken_cache_monotonic()

uint64_t ngx_tecken_cache_monotonic(void);

#endif

/* a tick is 64 ms: 32 bits of them last for eight years */
#define ngx_tecken_cache_tick()                                               \
    ((uint32_t) (ngx_tecken_cache_msec() >> 6))


/* of any zone; not only workers may take it, their threads may too */
void ngx_tecken_cache_lock_mutex(ngx_shmtx_t *mutex);

/* lock() returns with a consistent table, unlock() ends the change, if any */
void ngx_tecken_cache_lock(ngx_tecken_cache_t *cache);
void ngx_tecken_cache_unlock(ngx_tecken_cache_t *cache);

/* a kill takes place between two stores: only the compiler may mix them */
#define ngx_tecken_cache_barrier()                                            \
    __asm__ volatile ("" ::: "memory")

/* the rest is to be called under the lock, change() before any write */
#define ngx_tecken_cache_change(sh)                                           \
    do {                                                                      \
        (sh)->dirty = 1;                                                      \
        ngx_tecken_cache_barrier();                                           \
    } while (0)

/* all return an index, 0 if there is none */
uint32_t ngx_tecken_cache_find(ngx_tecken_cache_sh_t *sh,
    ngx_tecken_cache_key_t *key);
uint32_t ngx_tecken_cache_add(ngx_tecken_cache_sh_t *sh,
    ngx_tecken_cache_key_t *key);

void ngx_tecken_cache_remove(ngx_tecken_cache_sh_t *sh, uint32_t i);
ngx_uint_t ngx_tecken_cache_alive(ngx_tecken_cache_node_t *node);
void ngx_tecken_cache_touch(ngx_tecken_cache_sh_t *sh, uint32_t i);
void ngx_tecken_cache_store(ngx_tecken_cache_sh_t *sh, uint32_t i,
    ngx_uint_t value, time_t ttl);

/* ends a flight and gives it back; its node goes too if it has no value */
void ngx_tecken_flight_end(ngx_tecken_cache_sh_t *sh, uint32_t i,
    ngx_uint_t state, ngx_uint_t value);

/* looks at the next n flights for forgotten ones */
void ngx_tecken_flight_sweep(ngx_tecken_cache_sh_t *sh, ngx_uint_t n);

/* the answer of join(), f->flight is set unless it is NGX_OK */
ngx_int_t ngx_tecken_flight_ask(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);

/* makes f the owner of its flight */
void ngx_tecken_flight_own(ngx_tecken_cache_sh_t *sh, ngx_tecken_flight_t *f);


/* the waiters of this process, without the lock */

void ngx_tecken_flight_wait(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);
void ngx_tecken_flight_forget(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);

/* who has waited longest for the flight of f, or NULL */
ngx_tecken_flight_t *ngx_tecken_flight_next(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);

/* one waiter, or all of a flight, get this result from the event loop */
void ngx_tecken_flight_ready(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f, ngx_int_t rc, ngx_uint_t value);
void ngx_tecken_flight_tell(ngx_tecken_cache_t *cache, uint32_t i,
    uint32_t sequence, ngx_int_t rc, ngx_uint_t value);


#endif /* _NGX_TECKEN_CACHE_SH_H_INCLUDED_ */
