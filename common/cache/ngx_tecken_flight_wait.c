
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_cache_sh.h>


/* the waiters of this process: their queues, the poll, and their handlers */


/* a waiter polls after an eighth of the time it has waited, within these */
#define NGX_TECKEN_FLIGHT_POLL_MIN  2
#define NGX_TECKEN_FLIGHT_POLL_MAX  20

/* handlers called in one turn of the event loop */
#define NGX_TECKEN_FLIGHT_BATCH     64


#define ngx_tecken_flight_queue(cache, i)                                     \
    (&(cache)->waiting[(i) & (NGX_TECKEN_FLIGHT_QUEUES - 1)])


static void ngx_tecken_flight_wake(ngx_event_t *ev);
static void ngx_tecken_flight_arm(ngx_tecken_cache_t *cache, ngx_msec_t msec);
static void ngx_tecken_flight_poll(ngx_event_t *ev);
static ngx_msec_t ngx_tecken_flight_poll_queue(ngx_tecken_cache_t *cache,
    ngx_uint_t i);
static ngx_pid_t ngx_tecken_flight_owner(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f);
static ngx_uint_t ngx_tecken_flight_dead(ngx_pid_t pid);
static ngx_int_t ngx_tecken_flight_check(ngx_tecken_cache_t *cache,
    ngx_tecken_flight_t *f, ngx_pid_t dead);


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


void
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

ngx_tecken_flight_t *
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

void
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


void
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
        || ngx_tecken_flight_late(f->joined + f->limit))
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

    /* two owners had their time, as a rule */

    if (rc == NGX_AGAIN && ngx_tecken_flight_late(f->joined + f->limit)) {
        rc = NGX_ERROR;
    }

    return rc;
}
