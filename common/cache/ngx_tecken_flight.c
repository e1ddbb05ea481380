
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


/* a waiter polls after an eighth of the time it has waited, within these */
#define NGX_TECKEN_FLIGHT_POLL_MIN  2
#define NGX_TECKEN_FLIGHT_POLL_MAX  20

/* handlers called in one turn of the event loop */
#define NGX_TECKEN_FLIGHT_BATCH     64

/* a flight so late has nobody who waits for it, its owner is gone */
#define NGX_TECKEN_FLIGHT_GRACE     5000

/* flights looked at in search of such ones, with each that starts */
#define NGX_TECKEN_FLIGHT_SWEEP     2

/* state of ngx_tecken_flight_t */
#define NGX_TECKEN_FLIGHT_IDLE      0
#define NGX_TECKEN_FLIGHT_WAITING   1
#define NGX_TECKEN_FLIGHT_READY     2
#define NGX_TECKEN_FLIGHT_OWNER     3


#define ngx_tecken_flight_queue(cache, i)                                     \
    (&(cache)->waiting[(i) & (NGX_TECKEN_FLIGHT_QUEUES - 1)])

#define ngx_tecken_flight_late(deadline)                                      \
    ((ngx_msec_int_t) (ngx_current_msec - (deadline)) >= 0)


static ngx_int_t ngx_tecken_flight_ask(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);
static ngx_int_t ngx_tecken_flight_start(ngx_tecken_cache_sh_t *sh,
    ngx_tecken_flight_t *f, uint32_t node);
static void ngx_tecken_flight_own(ngx_tecken_cache_sh_t *sh,
    ngx_tecken_flight_t *f);
static uint32_t ngx_tecken_flight_take(ngx_tecken_cache_sh_t *sh);
static ngx_tecken_cache_flight_t *ngx_tecken_flight_open(
    ngx_tecken_cache_sh_t *sh, ngx_tecken_flight_t *f);

static void ngx_tecken_flight_wait(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);
static ngx_tecken_flight_t *ngx_tecken_flight_next(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);
static void ngx_tecken_flight_ready(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f, ngx_int_t rc, ngx_uint_t value);
static void ngx_tecken_flight_forget(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);
static void ngx_tecken_flight_release(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);

static void ngx_tecken_flight_arm(ngx_tecken_cache_t *cache, ngx_msec_t msec);
static void ngx_tecken_flight_poll(ngx_event_t *ev);
static ngx_msec_t ngx_tecken_flight_poll_queue(ngx_tecken_cache_t *cache,
    ngx_uint_t i);
static ngx_pid_t ngx_tecken_flight_owner(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);
static ngx_uint_t ngx_tecken_flight_dead(ngx_pid_t pid);
static ngx_int_t ngx_tecken_flight_check(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f, ngx_pid_t dead);
static void ngx_tecken_flight_wake(ngx_event_t *ev);


ngx_int_t
ngx_tecken_cache_init_worker(ngx_tecken_cache_t *cache, ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_TECKEN_FLIGHT_QUEUES; i++) {
        ngx_queue_init(&cache->waiting[i]);
    }

    ngx_queue_init(&cache->ready);

    /* debug logs of events look for the fd of a connection */

    cache->dummy.fd = (ngx_socket_t) -1;
    cache->dummy.data = cache;

    /* not cancelable: requests wait for it */

    cache->poll.data = &cache->dummy;
    cache->poll.handler = ngx_tecken_flight_poll;
    cache->poll.log = cycle->log;

    cache->wake.data = &cache->dummy;
    cache->wake.handler = ngx_tecken_flight_wake;
    cache->wake.log = cycle->log;

    return NGX_OK;
}


ngx_int_t
ngx_tecken_flight_join(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f,
    ngx_msec_t timeout, ngx_uint_t refresh)
{
    ngx_int_t  rc;

    f->timeout = timeout;
    f->joined = ngx_current_msec;
    f->refresh = refresh ? 1 : 0;

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

static ngx_int_t
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

static void
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


static void
ngx_tecken_flight_wait(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f)
{
    f->state = NGX_TECKEN_FLIGHT_WAITING;

    ngx_queue_insert_tail(ngx_tecken_flight_queue(cache, f->flight),
                          &f->queue);

    if (ngx_tecken_cache_flight(cache->sh, f->flight)->owner == ngx_pid) {
        ngx_tecken_flight_arm(cache, NGX_TECKEN_FLIGHT_POLL_MAX);

    } else {
        ngx_tecken_flight_arm(cache, NGX_TECKEN_FLIGHT_POLL_MIN);
    }
}


/* who has waited longest in this process for the flight of f */

static ngx_tecken_flight_t *
ngx_tecken_flight_next(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f)
{
    ngx_queue_t          *q, *queue;
    ngx_tecken_flight_t  *next;

    queue = ngx_tecken_flight_queue(cache, f->flight);

    for (q = ngx_queue_head(queue);
         q != ngx_queue_sentinel(queue);
         q = ngx_queue_next(q))
    {
        next = ngx_queue_data(q, ngx_tecken_flight_t, queue);

        if (next->flight == f->flight && next->sequence == f->sequence) {
            return next;
        }
    }

    return NULL;
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


void
ngx_tecken_flight_tell(ngx_tecken_cache_t *cache, uint32_t i,
    uint32_t sequence, ngx_int_t rc, ngx_uint_t value)
{
    ngx_queue_t          *q, *queue;
    ngx_tecken_flight_t  *f;

    queue = ngx_tecken_flight_queue(cache, i);

    q = ngx_queue_head(queue);

    while (q != ngx_queue_sentinel(queue)) {
        f = ngx_queue_data(q, ngx_tecken_flight_t, queue);
        q = ngx_queue_next(q);

        if (f->flight == i && f->sequence == sequence) {
            ngx_tecken_flight_ready(cache, f, rc, value);
        }
    }
}


/* the handler is called later: who tells is in the middle of something */

static void
ngx_tecken_flight_ready(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f,
    ngx_int_t rc, ngx_uint_t value)
{
    f->rc = rc;
    f->value = value;
    f->state = NGX_TECKEN_FLIGHT_READY;

    ngx_queue_remove(&f->queue);
    ngx_queue_insert_tail(&cache->ready, &f->queue);

    if (!cache->waking) {
        ngx_post_event(&cache->wake, &ngx_posted_events);
    }
}


static void
ngx_tecken_flight_forget(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f)
{
    ngx_queue_remove(&f->queue);

    cache->waiters--;

    if (cache->waiters) {
        return;
    }

    if (cache->poll.timer_set) {
        ngx_del_timer(&cache->poll);
    }

    if (cache->wake.posted) {
        ngx_delete_posted_event(&cache->wake);
    }
}


static void
ngx_tecken_flight_wake(ngx_event_t *ev)
{
    ngx_uint_t            n;
    ngx_queue_t          *q;
    ngx_connection_t     *c;
    ngx_tecken_cache_t   *cache;
    ngx_tecken_flight_t  *f;

    c = ev->data;
    cache = c->data;

    /* a handler may join, land and leave flights, and free its own */

    cache->waking = 1;

    for (n = 0; n < NGX_TECKEN_FLIGHT_BATCH; n++) {

        if (ngx_queue_empty(&cache->ready)) {
            break;
        }

        q = ngx_queue_head(&cache->ready);
        f = ngx_queue_data(q, ngx_tecken_flight_t, queue);

        ngx_tecken_flight_forget(cache, f);

        f->state = (f->rc == NGX_DONE) ? NGX_TECKEN_FLIGHT_OWNER
                                       : NGX_TECKEN_FLIGHT_IDLE;
        f->handler(f);
    }

    cache->waking = 0;

    if (!ngx_queue_empty(&cache->ready)) {
        ngx_post_event(&cache->wake, &ngx_posted_next_events);
    }
}


static void
ngx_tecken_flight_arm(ngx_tecken_cache_t *cache, ngx_msec_t msec)
{
    if (cache->poll.timer_set) {

        if ((ngx_msec_int_t) (cache->poll.timer.key - ngx_current_msec)
            <= (ngx_msec_int_t) msec)
        {
            return;
        }

        ngx_del_timer(&cache->poll);
    }

    ngx_add_timer(&cache->poll, msec);
}


static void
ngx_tecken_flight_poll(ngx_event_t *ev)
{
    ngx_uint_t           i;
    ngx_msec_t           msec;
    ngx_connection_t    *c;
    ngx_tecken_cache_t  *cache;

    c = ev->data;
    cache = c->data;

    msec = NGX_TECKEN_FLIGHT_POLL_MAX;

    for (i = 0; i < NGX_TECKEN_FLIGHT_QUEUES; i++) {
        msec = ngx_min(msec, ngx_tecken_flight_poll_queue(cache, i));
    }

    if (cache->waiters) {
        ngx_tecken_flight_arm(cache, msec);
    }
}


/* returns when to look again */

static ngx_msec_t
ngx_tecken_flight_poll_queue(ngx_tecken_cache_t *cache, ngx_uint_t i)
{
    ngx_int_t             rc;
    ngx_pid_t             owner, alive, dead;
    ngx_msec_t            msec, wait;
    ngx_queue_t          *q, *queue;
    ngx_tecken_flight_t  *f;

    msec = NGX_TECKEN_FLIGHT_POLL_MAX;
    alive = ngx_pid;
    dead = -1;

    queue = &cache->waiting[i];
    q = ngx_queue_head(queue);

    while (q != ngx_queue_sentinel(queue)) {
        f = ngx_queue_data(q, ngx_tecken_flight_t, queue);
        q = ngx_queue_next(q);

        owner = ngx_tecken_flight_owner(cache, f);

        if (owner > 0) {

            if (owner == alive || !ngx_tecken_flight_dead(owner)) {
                alive = owner;

                if (owner != ngx_pid) {
                    wait = (ngx_current_msec - f->joined) / 8;
                    msec = ngx_min(msec, wait);
                }

                continue;
            }

            dead = owner;
        }

        rc = ngx_tecken_flight_check(cache, f, dead);

        if (rc == NGX_AGAIN) {
            ngx_queue_remove(&f->queue);
            ngx_tecken_flight_wait(cache, f);
            continue;
        }

        ngx_tecken_flight_ready(cache, f, rc, f->value);
    }

    return ngx_max(msec, NGX_TECKEN_FLIGHT_POLL_MIN);
}


/*
 * Without the lock, as nearly all polls find nothing new: who owns the flight
 * of f, or 0 if it is over, vacant or late and has to be checked.
 */

static ngx_pid_t
ngx_tecken_flight_owner(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f)
{
    volatile ngx_tecken_cache_flight_t  *flight;

    flight = ngx_tecken_cache_flight(cache->sh, f->flight);

    if (flight->sequence != f->sequence
        || flight->state != NGX_TECKEN_FLIGHT_OPEN
        || ngx_tecken_flight_late(flight->deadline)
        || ngx_tecken_flight_late(f->joined + 2 * f->timeout))
    {
        return 0;
    }

    return flight->owner;
}


static ngx_uint_t
ngx_tecken_flight_dead(ngx_pid_t pid)
{
    return kill(pid, 0) == -1 && ngx_errno == NGX_ESRCH;
}


/* NGX_AGAIN: f goes on waiting, perhaps for another flight */

static ngx_int_t
ngx_tecken_flight_check(ngx_tecken_cache_t *cache, ngx_tecken_flight_t *f,
    ngx_pid_t dead)
{
    ngx_int_t                   rc;
    ngx_tecken_cache_sh_t      *sh;
    ngx_tecken_cache_flight_t  *flight;

    sh = cache->sh;

    ngx_tecken_cache_lock(cache);

    flight = ngx_tecken_cache_flight(sh, f->flight);

    if (flight->sequence != f->sequence
        || flight->state == NGX_TECKEN_FLIGHT_LOST)
    {
        rc = ngx_tecken_flight_ask(cache, f);

    } else if (flight->state == NGX_TECKEN_FLIGHT_LANDED) {
        f->value = flight->value;
        rc = NGX_OK;

    } else if (flight->state == NGX_TECKEN_FLIGHT_FAILED) {
        rc = NGX_ERROR;

    } else if (flight->owner == 0
               || flight->owner == dead
               || ngx_tecken_flight_late(flight->deadline))
    {
        ngx_tecken_flight_own(sh, f);
        rc = NGX_DONE;

    } else {
        rc = NGX_AGAIN;
    }

    ngx_tecken_cache_unlock(cache);

    /* two owners had their time */

    if (rc == NGX_AGAIN
        && ngx_tecken_flight_late(f->joined + 2 * f->timeout))
    {
        rc = NGX_ERROR;
    }

    return rc;
}
