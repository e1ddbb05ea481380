
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_cache_sh.h>


/*
 * A flight is a record in the zone that its key's node points to.  Waiters
 * queue up in the memory of their process: the owner's process is told at
 * once, the others poll the record.  The record keeps its result until it is
 * used again, and a sequence number tells the waiters when it was.
 */


/* a flight so late has nobody who waits for it, its owner is gone */
#define NGX_TECKEN_FLIGHT_GRACE  2000

/* flights looked at in search of such ones, with each that starts */
#define NGX_TECKEN_FLIGHT_SWEEP  2


static ngx_int_t ngx_tecken_flight_start(ngx_tecken_cache_sh_t *sh,
    ngx_tecken_flight_t *f, uint32_t node);
static uint32_t ngx_tecken_flight_take(ngx_tecken_cache_sh_t *sh);
static ngx_tecken_cache_flight_t *ngx_tecken_flight_open(
    ngx_tecken_cache_sh_t *sh, ngx_tecken_flight_t *f);
static void ngx_tecken_flight_release(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);


ngx_int_t
ngx_tecken_flight_join(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f,
    ngx_msec_t timeout, ngx_uint_t refresh)
{
    ngx_int_t  rc;

    f->timeout = timeout;
    f->joined = ngx_current_msec;
    f->refresh = refresh ? 1 : 0;

    f->limit = f->patience ? f->patience : 2 * timeout;

    ngx_tecken_cache_lock(cache);
    rc = ngx_tecken_flight_ask(cache, f);
    ngx_tecken_cache_unlock(cache);

    f->rc = rc;
    f->state = (rc == NGX_DONE) ? NGX_TECKEN_FLIGHT_OWNER
                                : NGX_TECKEN_FLIGHT_IDLE;

    if (rc == NGX_AGAIN) {
        cache->waiters++;
        ngx_tecken_flight_wait(cache, f);
    }

    return rc;
}


void
ngx_tecken_flight_prolong(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f)
{
    ngx_tecken_cache_flight_t  *flight;

    if (f->state != NGX_TECKEN_FLIGHT_OWNER) {
        return;
    }

    ngx_tecken_cache_lock(cache);

    flight = ngx_tecken_flight_open(cache->sh, f);

    if (flight && flight->turn == f->turn) {
        flight->deadline = ngx_current_msec + f->timeout;
    }

    ngx_tecken_cache_unlock(cache);
}


ngx_uint_t
ngx_tecken_flight_valid(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f)
{
    ngx_uint_t                  valid;
    ngx_tecken_cache_flight_t  *flight;

    if (f->flight == 0) {
        return 1;
    }

    ngx_tecken_cache_lock(cache);

    flight = ngx_tecken_flight_open(cache->sh, f);
    valid = (flight && flight->node);

    ngx_tecken_cache_unlock(cache);

    return valid;
}


void
ngx_tecken_flight_land(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f,
    ngx_uint_t value, time_t ttl)
{
    ngx_uint_t                  told;
    ngx_tecken_cache_sh_t      *sh;
    ngx_tecken_cache_node_t    *node;
    ngx_tecken_cache_flight_t  *flight;

    if (f->state != NGX_TECKEN_FLIGHT_OWNER) {
        return;
    }

    f->state = NGX_TECKEN_FLIGHT_IDLE;

    sh = cache->sh;
    told = 0;

    ngx_tecken_cache_lock(cache);

    flight = ngx_tecken_flight_open(sh, f);

    /* also when another has taken over: a late value is as good */

    if (flight) {
        ngx_tecken_cache_change(sh);

        if (flight->node) {
            if (ttl > 0) {
                ngx_tecken_cache_store(sh, flight->node, value, ttl);

            } else {
                node = ngx_tecken_cache_node(sh, flight->node);
                node->expire = 0;
            }
        }

        ngx_tecken_flight_end(sh, f->flight, NGX_TECKEN_FLIGHT_LANDED, value);
        told = 1;
    }

    ngx_tecken_cache_unlock(cache);

    if (told) {
        ngx_tecken_flight_tell(cache, f->flight, f->sequence, NGX_OK, value);
    }
}


void
ngx_tecken_flight_fail(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f)
{
    ngx_uint_t                  told;
    ngx_tecken_cache_sh_t      *sh;
    ngx_tecken_cache_flight_t  *flight;

    if (f->state != NGX_TECKEN_FLIGHT_OWNER) {
        return;
    }

    f->state = NGX_TECKEN_FLIGHT_IDLE;

    sh = cache->sh;
    told = 0;

    ngx_tecken_cache_lock(cache);

    flight = ngx_tecken_flight_open(sh, f);

    if (flight && flight->turn == f->turn) {
        ngx_tecken_flight_end(sh, f->flight, NGX_TECKEN_FLIGHT_FAILED, 0);
        told = 1;
    }

    ngx_tecken_cache_unlock(cache);

    if (told) {
        ngx_tecken_flight_tell(cache, f->flight, f->sequence, NGX_ERROR, 0);
    }
}


void
ngx_tecken_flight_leave(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f)
{
    ngx_uint_t  owner;

    switch (f->state) {

    case NGX_TECKEN_FLIGHT_WAITING:
        ngx_tecken_flight_forget(cache, f);
        owner = 0;
        break;

    case NGX_TECKEN_FLIGHT_READY:
        ngx_tecken_flight_forget(cache, f);
        owner = (f->rc == NGX_DONE);
        break;

    case NGX_TECKEN_FLIGHT_OWNER:
        owner = 1;
        break;

    default: /* NGX_TECKEN_FLIGHT_IDLE */
        return;
    }

    f->state = NGX_TECKEN_FLIGHT_IDLE;

    if (owner) {
        ngx_tecken_flight_release(cache, f);
    }
}


ngx_tecken_flight_t *
ngx_tecken_flight_inherit(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f)
{
    ngx_tecken_flight_t        *next;
    ngx_tecken_cache_sh_t      *sh;
    ngx_tecken_cache_flight_t  *flight;

    if (f->state != NGX_TECKEN_FLIGHT_OWNER) {
        return NULL;
    }

    sh = cache->sh;
    next = NULL;

    ngx_tecken_cache_lock(cache);

    flight = ngx_tecken_flight_open(sh, f);

    if (flight && flight->turn == f->turn) {

        next = ngx_tecken_flight_next(cache, f);

        if (next) {
            ngx_tecken_flight_own(sh, next);
        }
    }

    ngx_tecken_cache_unlock(cache);

    if (next) {
        ngx_tecken_flight_forget(cache, next);

        next->state = NGX_TECKEN_FLIGHT_OWNER;
        f->state = NGX_TECKEN_FLIGHT_IDLE;
    }

    return next;
}


/* under the lock: the answer of join() */

ngx_int_t
ngx_tecken_flight_ask(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f)
{
    uint32_t                    i;
    ngx_tecken_cache_sh_t      *sh;
    ngx_tecken_cache_node_t    *node;
    ngx_tecken_cache_flight_t  *flight;

    sh = cache->sh;

    i = ngx_tecken_cache_find(sh, &f->key);

    if (i == 0) {
        return ngx_tecken_flight_start(sh, f, 0);
    }

    node = ngx_tecken_cache_node(sh, i);

    if (!f->refresh && ngx_tecken_cache_alive(node)) {
        f->value = node->value;
        ngx_tecken_cache_touch(sh, i);
        return NGX_OK;
    }

    if (node->flight == 0) {
        return ngx_tecken_flight_start(sh, f, i);
    }

    flight = ngx_tecken_cache_flight(sh, node->flight);

    f->flight = node->flight;
    f->sequence = flight->sequence;

    if (flight->owner == 0 || ngx_tecken_flight_late(flight->deadline)) {
        ngx_tecken_flight_own(sh, f);
        return NGX_DONE;
    }

    if (flight->owner != ngx_pid) {
        flight->others = 1;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_tecken_flight_start(ngx_tecken_cache_sh_t *sh, ngx_tecken_flight_t *f,
    uint32_t node)
{
    uint32_t                    i;
    ngx_tecken_cache_flight_t  *flight;

    ngx_tecken_cache_change(sh);

    /* neither makes the other's choice go: a node in use has a flight */

    if (node == 0) {
        node = ngx_tecken_cache_add(sh, &f->key);
    }

    i = node ? ngx_tecken_flight_take(sh) : 0;

    if (i == 0) {

        if (node && !ngx_tecken_cache_alive(ngx_tecken_cache_node(sh, node))) {
            ngx_tecken_cache_remove(sh, node);
        }

        f->flight = 0;
        return NGX_DONE;
    }

    if (++sh->sequence == 0) {
        sh->sequence = 1;
    }

    flight = ngx_tecken_cache_flight(sh, i);

    flight->sequence = sh->sequence;
    flight->node = node;
    flight->others = 0;
    flight->state = NGX_TECKEN_FLIGHT_OPEN;

    ngx_tecken_cache_node(sh, node)->flight = i;

    sh->open++;

    f->flight = i;
    f->sequence = flight->sequence;

    ngx_tecken_flight_own(sh, f);

    return NGX_DONE;
}


/* a new owner; who owned it before is known by its turn */

void
ngx_tecken_flight_own(ngx_tecken_cache_sh_t *sh, ngx_tecken_flight_t *f)
{
    ngx_tecken_cache_flight_t  *flight;

    ngx_tecken_cache_change(sh);

    flight = ngx_tecken_cache_flight(sh, f->flight);

    flight->owner = ngx_pid;
    flight->deadline = ngx_current_msec + f->timeout;
    flight->turn++;

    f->turn = flight->turn;
}


/* one whose result has been read, else a new one, else the oldest result */

static uint32_t
ngx_tecken_flight_take(ngx_tecken_cache_sh_t *sh)
{
    uint32_t                    i;
    ngx_tecken_cache_flight_t  *flight;

    ngx_tecken_flight_sweep(sh, NGX_TECKEN_FLIGHT_SWEEP);

    if (sh->landed == 0 && sh->taken == sh->nflights) {
        ngx_tecken_flight_sweep(sh, NGX_TECKEN_FLIGHT_SWEEP * 32);

        if (sh->landed == 0) {
            return 0;
        }
    }

    i = sh->landed;
    flight = ngx_tecken_cache_flight(sh, i);

    if ((i == 0 || flight->others) && sh->taken < sh->nflights) {
        return ++sh->taken;
    }

    sh->landed = flight->next;

    if (sh->landed == 0) {
        sh->landed_last = 0;
    }

    return i;
}


/* ends flights whose owner is gone and that nobody has asked for since */

void
ngx_tecken_flight_sweep(ngx_tecken_cache_sh_t *sh, ngx_uint_t n)
{
    ngx_tecken_cache_flight_t  *flight;

    for (n = ngx_min(n, sh->taken); n; n--) {

        sh->hand = (sh->hand < sh->taken) ? sh->hand + 1 : 1;

        flight = ngx_tecken_cache_flight(sh, sh->hand);

        if (flight->state == NGX_TECKEN_FLIGHT_OPEN
            && ngx_tecken_flight_late(flight->deadline
                                      + NGX_TECKEN_FLIGHT_GRACE))
        {
            ngx_tecken_flight_end(sh, sh->hand, NGX_TECKEN_FLIGHT_LOST, 0);
        }
    }
}


void
ngx_tecken_flight_end(ngx_tecken_cache_sh_t *sh, uint32_t i, ngx_uint_t state,
    ngx_uint_t value)
{
    ngx_tecken_cache_node_t    *node;
    ngx_tecken_cache_flight_t  *flight;

    ngx_tecken_cache_change(sh);

    flight = ngx_tecken_cache_flight(sh, i);

    if (flight->node) {
        node = ngx_tecken_cache_node(sh, flight->node);

        node->flight = 0;

        if (!ngx_tecken_cache_alive(node)) {
            ngx_tecken_cache_remove(sh, flight->node);
        }
    }

    flight->value = (uint16_t) value;
    flight->state = (u_char) state;

    sh->open--;

    /* a result that others have yet to read is kept as long as possible */

    if (sh->landed == 0) {
        flight->next = 0;
        sh->landed = i;
        sh->landed_last = i;

    } else if (flight->others) {
        flight->next = 0;
        ngx_tecken_cache_flight(sh, sh->landed_last)->next = i;
        sh->landed_last = i;

    } else {
        flight->next = sh->landed;
        sh->landed = i;
    }
}


/* the flight of f if it is still under way */

static ngx_tecken_cache_flight_t *
ngx_tecken_flight_open(ngx_tecken_cache_sh_t *sh, ngx_tecken_flight_t *f)
{
    ngx_tecken_cache_flight_t  *flight;

    flight = ngx_tecken_cache_flight(sh, f->flight);

    if (f->flight == 0
        || flight->sequence != f->sequence
        || flight->state != NGX_TECKEN_FLIGHT_OPEN)
    {
        return NULL;
    }

    return flight;
}


/* the owner gives up: the next one in this process, else in any other */

static void
ngx_tecken_flight_release(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f)
{
    ngx_tecken_flight_t        *next;
    ngx_tecken_cache_sh_t      *sh;
    ngx_tecken_cache_flight_t  *flight;

    sh = cache->sh;
    next = NULL;

    ngx_tecken_cache_lock(cache);

    flight = ngx_tecken_flight_open(sh, f);

    if (flight && flight->turn == f->turn) {

        next = ngx_tecken_flight_next(cache, f);

        if (next) {
            ngx_tecken_flight_own(sh, next);

        } else if (flight->others) {
            ngx_tecken_cache_change(sh);
            flight->owner = 0;
            flight->deadline = ngx_current_msec;

        } else {
            ngx_tecken_flight_end(sh, f->flight, NGX_TECKEN_FLIGHT_LOST, 0);
        }
    }

    ngx_tecken_cache_unlock(cache);

    if (next) {
        ngx_tecken_flight_ready(cache, next, NGX_DONE, 0);
    }
}
