
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_CACHE_H_INCLUDED_
#define _NGX_TECKEN_CACHE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/*
 * A table in shared memory: 128-bit key -> a small value with a lifetime, in
 * LRU order; and flights: for a key that has no value yet, one lookup among
 * all workers, whose result wakes all that wait for it.
 */


typedef struct ngx_tecken_cache_s     ngx_tecken_cache_t;
typedef struct ngx_tecken_cache_sh_s  ngx_tecken_cache_sh_t;
typedef struct ngx_tecken_flight_s    ngx_tecken_flight_t;

typedef void (*ngx_tecken_flight_handler_pt)(ngx_tecken_flight_t *f);


typedef struct {
    uint64_t                       h[2];
} ngx_tecken_cache_key_t;


struct ngx_tecken_flight_s {
    ngx_tecken_cache_key_t         key;        /* set by the caller */
    ngx_tecken_flight_handler_pt   handler;    /* set by the caller */
    void                          *data;       /* the caller's */
    ngx_msec_t                     patience;   /* set by the caller: to wait at
                                                  most; 0: twice timeout */

    ngx_int_t                      rc;         /* given to handler */
    ngx_uint_t                     value;

    /* private, all zero before the first join() */
    ngx_queue_t                    queue;
    ngx_msec_t                     joined;
    ngx_msec_t                     timeout;
    ngx_msec_t                     limit;
    uint32_t                       flight;
    uint32_t                       sequence;
    uint32_t                       turn;
    unsigned                       state:2;
    unsigned                       refresh:1;
};


typedef struct {
    ngx_uint_t                     capacity;   /* keys the zone has room for */
    ngx_uint_t                     keys;       /* keys in it, flights too */
    ngx_uint_t                     flights;    /* lookups under way */
    ngx_uint_t                     evictions;  /* keys thrown out unexpired */
    ngx_uint_t                     resets;     /* emptied: a worker was killed
                                                  while it changed the table */
    size_t                         bytes;      /* memory of all keys */
} ngx_tecken_cache_status_t;


/* a handle of this process; its memory is cf->pool's */
ngx_tecken_cache_t *ngx_tecken_cache_create(ngx_conf_t *cf);

/*
 * Called from the zone's init: *sh is NULL in a fresh zone and then the
 * table takes nearly all that the zone still has, leaving reserve bytes;
 * else it is the table of the cycle before, or of the process before.
 */
ngx_int_t ngx_tecken_cache_init_zone(ngx_tecken_cache_t *cache,
    ngx_slab_pool_t *shpool, ngx_tecken_cache_sh_t **sh, size_t reserve,
    ngx_log_t *log);

/* in a worker, before the first request */
ngx_int_t ngx_tecken_cache_init_worker(ngx_tecken_cache_t *cache,
    ngx_cycle_t *cycle);

/*
 * The key of a text: MD5 over the zone's random secret and the text, so that
 * nobody outside can make two texts collide.
 */
void ngx_tecken_cache_key(ngx_tecken_cache_t *cache,
    ngx_tecken_cache_key_t *key, u_char *data, size_t len);

/* a key derived from another and from an id: one hash, many tables */
#define ngx_tecken_cache_key_mix(k, base, id)                                 \
    (k)->h[0] = (base)->h[0] ^ (id)[0];                                       \
    (k)->h[1] = (base)->h[1] ^ (id)[1]

/*
 * NGX_OK and *value if the key has a value that is not too old, else
 * NGX_DECLINED.
 */
ngx_int_t ngx_tecken_cache_get(ngx_tecken_cache_t *cache,
    ngx_tecken_cache_key_t *key, ngx_uint_t *value);

/*
 * Stores a value, 0 to 65535, for ttl seconds, and ends a flight on this
 * key: its waiters get the value.  When the zone is full the least recently
 * used key that is no flight goes.  ttl 0 deletes the key: a lookup under way
 * may have looked too early, so its waiters get its result, but it is not
 * stored and the next join() starts anew.
 */
void ngx_tecken_cache_set(ngx_tecken_cache_t *cache,
    ngx_tecken_cache_key_t *key, ngx_uint_t value, time_t ttl);

/*
 * Asks for the value of f->key.
 *
 *   NGX_OK     f->value is known (never when refresh is 1);
 *   NGX_DONE   nobody looks it up: the caller does, before timeout ms are
 *              over, and ends with land() or fail();
 *   NGX_AGAIN  somebody looks it up: f->handler is called later, from the
 *              event loop, with f->rc being NGX_OK (f->value is set),
 *              NGX_ERROR (that lookup failed) or NGX_DONE (its owner died or
 *              is over its time: the caller is the owner now).
 *
 * refresh 1 takes no stored value, but joins a lookup that is under way.
 * When the zone has no room the caller gets NGX_DONE and shares with nobody,
 * its land() does not store.  f stays linked until handler is called, land(),
 * fail() or leave(), and must not join again before; the handler may do all
 * of these, and free f.  A waiter gets its answer within twice its timeout,
 * or f->patience, at worst NGX_ERROR.
 */
ngx_int_t ngx_tecken_flight_join(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f, ngx_msec_t timeout, ngx_uint_t refresh);

/* the owner goes on for another timeout, unless another has taken over */
void ngx_tecken_flight_prolong(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);

/*
 * 0: the flight of f has ended, or its key was deleted meanwhile: its result
 * may be of before, who asks now must not take it.
 */
ngx_uint_t ngx_tecken_flight_valid(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);

/*
 * The owner's result, stored for ttl seconds (0: told to the waiters that
 * are there, not stored).  The result of a lookup that set() has overtaken is
 * dropped.  Calls no handler: waiters are told from the event loop.
 */
void ngx_tecken_flight_land(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f,
    ngx_uint_t value, time_t ttl);

/*
 * The owner's lookup failed: waiters get NGX_ERROR, the next join() starts
 * anew, nothing is remembered.
 */
void ngx_tecken_flight_fail(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);

/* Gives up waiting, or owning: then a waiter, if any, becomes the owner. */
void ngx_tecken_flight_leave(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);

/*
 * The owner of f leaves, its lookup may go on: hands the flight to another
 * that waits for it in this worker and returns that one, which is the owner
 * now and whose handler is not called; NULL if none waits here, f is still
 * the owner then.
 */
ngx_tecken_flight_t *ngx_tecken_flight_inherit(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);

void ngx_tecken_cache_status(ngx_tecken_cache_t *cache,
    ngx_tecken_cache_status_t *status);


#endif /* _NGX_TECKEN_CACHE_H_INCLUDED_ */
