
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_turns.h>
#include <ngx_tecken_cache_sh.h>


/*
 * A row in shared memory for each job that runs or waits, with its process's
 * id and the time at which that process was last seen alive.  A row of a dead
 * process is free: nothing has to be undone after a kill.
 *
 * What starves does not count, or a slow source would keep all turns from the
 * others; but none begins for a source that has as many as the limit.
 */


#define NGX_TECKEN_TURN_POLL  20       /* ms, of those that wait */
#define NGX_TECKEN_TURN_BEAT  1000     /* ms, of those that run */

/* a process so late is stopped or gone, and its id may be another's */
#define NGX_TECKEN_TURN_LATE  30000

#define NGX_TECKEN_TURN_IDLE     0
#define NGX_TECKEN_TURN_WAITING  1
#define NGX_TECKEN_TURN_RUNNING  2
#define NGX_TECKEN_TURN_STARVED  3        /* runs, as its source lets it */

/* more of them share counts, a power of two */
#define NGX_TECKEN_TURN_SOURCES  64

#define ngx_tecken_turns_source(i)  ((i) & (NGX_TECKEN_TURN_SOURCES - 1))


typedef struct {
    uint64_t                       ticket;
    ngx_msec_t                     beat;
    volatile ngx_pid_t             pid;        /* 0: free; is written last */
    uint16_t                       state;
    uint16_t                       source;
} ngx_tecken_turns_row_t;


struct ngx_tecken_turns_sh_s {
    uint64_t                       ticket;     /* the last one given out */
    ngx_uint_t                     used;       /* no row behind is taken */
    ngx_tecken_turns_row_t         rows[NGX_TECKEN_TURNS_MAX];
};


struct ngx_tecken_turns_s {
    ngx_tecken_turns_sh_t         *sh;
    ngx_tecken_cache_t            *cache;      /* has the lock */
    ngx_uint_t                     limit;

    ngx_queue_t                    running;    /* of this process */
    ngx_queue_t                    waiting;
    ngx_event_t                    timer;
    ngx_connection_t               dummy;
};


/* what a look at all rows has found */

typedef struct {
    ngx_uint_t                     running;
    ngx_uint_t                     starved;
    ngx_uint_t                     waiting;
    ngx_tecken_turns_row_t        *vacant;

    /* that run or starve */
    ngx_uint_t                     sources[NGX_TECKEN_TURN_SOURCES];
} ngx_tecken_turns_look_t;


static void ngx_tecken_turns_look(ngx_tecken_turns_sh_t *sh,
    ngx_tecken_turns_look_t *look);
static ngx_uint_t ngx_tecken_turns_may(ngx_tecken_turns_t *turns,
    ngx_tecken_turn_t *turn, ngx_tecken_turns_look_t *look);
static ngx_uint_t ngx_tecken_turns_gone(ngx_tecken_turns_row_t *row,
    ngx_pid_t *alive);
static ngx_tecken_turns_row_t *ngx_tecken_turns_row(
    ngx_tecken_turns_t *turns, ngx_tecken_turn_t *turn);
static void ngx_tecken_turns_beat(ngx_tecken_turns_t *turns,
    ngx_queue_t *queue);
static void ngx_tecken_turns_arm(ngx_tecken_turns_t *turns, ngx_msec_t msec);
static ngx_tecken_turn_t *ngx_tecken_turns_next(ngx_tecken_turns_t *turns);
static void ngx_tecken_turns_handler(ngx_event_t *ev);


ngx_tecken_turns_t *
ngx_tecken_turns_create(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_tecken_turns_t));
}


ngx_int_t
ngx_tecken_turns_init_zone(ngx_tecken_turns_t *turns,
    ngx_tecken_cache_t *cache, ngx_slab_pool_t *shpool,
    ngx_tecken_turns_sh_t **sh)
{
    if (*sh == NULL) {
        *sh = ngx_slab_calloc(shpool, sizeof(ngx_tecken_turns_sh_t));

        if (*sh == NULL) {
            return NGX_ERROR;
        }
    }

    turns->sh = *sh;
    turns->cache = cache;

    return NGX_OK;
}


void
ngx_tecken_turns_init_worker(ngx_tecken_turns_t *turns, ngx_cycle_t *cycle,
    ngx_uint_t limit)
{
    turns->limit = limit;

    ngx_queue_init(&turns->running);
    ngx_queue_init(&turns->waiting);

    /* debug logs of events look for the fd of a connection */

    turns->dummy.fd = (ngx_socket_t) -1;
    turns->dummy.data = turns;

    /* not cancelable: it runs while there are jobs */

    turns->timer.data = &turns->dummy;
    turns->timer.handler = ngx_tecken_turns_handler;
    turns->timer.log = cycle->log;
}


ngx_int_t
ngx_tecken_turn_take(ngx_tecken_turns_t *turns, ngx_tecken_turn_t *turn,
    ngx_uint_t wait)
{
    uint16_t                  state;
    ngx_uint_t                source;
    ngx_tecken_turns_sh_t    *sh;
    ngx_tecken_turns_row_t   *row;
    ngx_tecken_turns_look_t   look;

    sh = turns->sh;
    source = ngx_tecken_turns_source(turn->source);

    ngx_tecken_cache_lock(turns->cache);

    ngx_tecken_turns_look(sh, &look);

    row = look.vacant;

    state = (look.running + look.waiting < turns->limit
             && look.sources[source] < turns->limit)
            ? NGX_TECKEN_TURN_RUNNING : NGX_TECKEN_TURN_WAITING;

    if (row && (wait || state == NGX_TECKEN_TURN_RUNNING)) {

        if (row == &sh->rows[sh->used]) {
            sh->used++;
        }

        row->ticket = ++sh->ticket;
        row->beat = ngx_current_msec;
        row->state = state;
        row->source = (uint16_t) source;

        ngx_tecken_cache_barrier();
        row->pid = ngx_pid;

        turn->row = row - sh->rows;
        turn->ticket = row->ticket;
        turn->state = state;
    }

    ngx_tecken_cache_unlock(turns->cache);

    switch (turn->state) {

    case NGX_TECKEN_TURN_RUNNING:
        ngx_queue_insert_tail(&turns->running, &turn->queue);
        ngx_tecken_turns_arm(turns, NGX_TECKEN_TURN_BEAT);
        return NGX_OK;

    case NGX_TECKEN_TURN_WAITING:
        ngx_queue_insert_tail(&turns->waiting, &turn->queue);
        ngx_tecken_turns_arm(turns, NGX_TECKEN_TURN_POLL);
        return NGX_AGAIN;

    default: /* NGX_TECKEN_TURN_IDLE */
        return wait ? NGX_BUSY : NGX_DECLINED;
    }
}


void
ngx_tecken_turn_update(ngx_tecken_turns_t *turns, ngx_tecken_turn_t *turn,
    ngx_uint_t source, ngx_uint_t starved)
{
    ngx_tecken_turns_row_t  *row;

    turn->source = source;

    if (turn->state != NGX_TECKEN_TURN_RUNNING) {
        return;
    }

    ngx_tecken_cache_lock(turns->cache);

    row = ngx_tecken_turns_row(turns, turn);

    if (row) {
        row->source = (uint16_t) ngx_tecken_turns_source(source);
        row->state = starved ? NGX_TECKEN_TURN_STARVED
                             : NGX_TECKEN_TURN_RUNNING;
    }

    ngx_tecken_cache_unlock(turns->cache);
}


void
ngx_tecken_turn_leave(ngx_tecken_turns_t *turns, ngx_tecken_turn_t *turn)
{
    ngx_tecken_turns_row_t  *row;

    if (turn->state == NGX_TECKEN_TURN_IDLE) {
        return;
    }

    ngx_tecken_cache_lock(turns->cache);

    row = ngx_tecken_turns_row(turns, turn);

    if (row) {
        row->pid = 0;
    }

    ngx_tecken_cache_unlock(turns->cache);

    turn->state = NGX_TECKEN_TURN_IDLE;
    ngx_queue_remove(&turn->queue);

    if (!ngx_queue_empty(&turns->waiting)) {
        ngx_post_event(&turns->timer, &ngx_posted_events);

    } else if (ngx_queue_empty(&turns->running)) {

        if (turns->timer.timer_set) {
            ngx_del_timer(&turns->timer);
        }

        if (turns->timer.posted) {
            ngx_delete_posted_event(&turns->timer);
        }
    }
}


void
ngx_tecken_turns_status(ngx_tecken_turns_t *turns, ngx_uint_t *running,
    ngx_uint_t *waiting)
{
    ngx_tecken_turns_look_t  look;

    ngx_tecken_cache_lock(turns->cache);
    ngx_tecken_turns_look(turns->sh, &look);
    ngx_tecken_cache_unlock(turns->cache);

    *running = look.running + look.starved;
    *waiting = look.waiting;
}


/* under the lock; frees the rows of the dead */

static void
ngx_tecken_turns_look(ngx_tecken_turns_sh_t *sh,
    ngx_tecken_turns_look_t *look)
{
    ngx_pid_t                alive;
    ngx_uint_t               i, last;
    ngx_tecken_turns_row_t  *row;

    ngx_memzero(look, sizeof(ngx_tecken_turns_look_t));

    alive = ngx_pid;
    last = 0;

    for (i = 0; i < sh->used; i++) {
        row = &sh->rows[i];

        if (row->pid && ngx_tecken_turns_gone(row, &alive)) {
            row->pid = 0;
        }

        if (row->pid == 0) {
            if (look->vacant == NULL) {
                look->vacant = row;
            }

            continue;
        }

        last = i + 1;

        if (row->state == NGX_TECKEN_TURN_WAITING) {
            look->waiting++;
            continue;
        }

        look->sources[ngx_tecken_turns_source(row->source)]++;

        if (row->state == NGX_TECKEN_TURN_RUNNING) {
            look->running++;

        } else {
            look->starved++;
        }
    }

    sh->used = last;

    if (look->vacant == NULL && last < NGX_TECKEN_TURNS_MAX) {
        look->vacant = &sh->rows[last];
    }
}


/* under the lock: is there room for it, and for those before it? */

static ngx_uint_t
ngx_tecken_turns_may(ngx_tecken_turns_t *turns, ngx_tecken_turn_t *turn,
    ngx_tecken_turns_look_t *look)
{
    ngx_uint_t               i, before;
    ngx_tecken_turns_sh_t   *sh;
    ngx_tecken_turns_row_t  *row;

    sh = turns->sh;
    before = 0;

    for (i = 0; i < sh->used; i++) {
        row = &sh->rows[i];

        if (row->pid
            && row->state == NGX_TECKEN_TURN_WAITING
            && row->ticket < turn->ticket
            && look->sources[ngx_tecken_turns_source(row->source)]
               < turns->limit)
        {
            before++;
        }
    }

    return look->running + before < turns->limit;
}


/* asks the system once for each process in a row of rows */

static ngx_uint_t
ngx_tecken_turns_gone(ngx_tecken_turns_row_t *row, ngx_pid_t *alive)
{
    if (row->pid == ngx_pid) {
        return 0;
    }

    if (ngx_tecken_flight_late(row->beat + NGX_TECKEN_TURN_LATE)) {
        return 1;
    }

    if (row->pid != *alive) {

        if (kill(row->pid, 0) == -1 && ngx_errno == NGX_ESRCH) {
            return 1;
        }

        *alive = row->pid;
    }

    return 0;
}


/* NULL: others took this process for dead, when it was stopped */

static ngx_tecken_turns_row_t *
ngx_tecken_turns_row(ngx_tecken_turns_t *turns, ngx_tecken_turn_t *turn)
{
    ngx_tecken_turns_row_t  *row;

    row = &turns->sh->rows[turn->row];

    return (row->pid == ngx_pid && row->ticket == turn->ticket) ? row : NULL;
}


static void
ngx_tecken_turns_beat(ngx_tecken_turns_t *turns, ngx_queue_t *queue)
{
    ngx_queue_t             *q;
    ngx_tecken_turn_t       *turn;
    ngx_tecken_turns_row_t  *row;

    for (q = ngx_queue_head(queue);
         q != ngx_queue_sentinel(queue);
         q = ngx_queue_next(q))
    {
        turn = ngx_queue_data(q, ngx_tecken_turn_t, queue);
        row = ngx_tecken_turns_row(turns, turn);

        if (row) {
            row->beat = ngx_current_msec;
        }
    }
}


static void
ngx_tecken_turns_arm(ngx_tecken_turns_t *turns, ngx_msec_t msec)
{
    if (turns->timer.timer_set) {

        if ((ngx_msec_int_t) (turns->timer.timer.key - ngx_current_msec)
            <= (ngx_msec_int_t) msec)
        {
            return;
        }

        ngx_del_timer(&turns->timer);
    }

    ngx_add_timer(&turns->timer, msec);
}


/* of this process's, the first one that may run from now on */

static ngx_tecken_turn_t *
ngx_tecken_turns_next(ngx_tecken_turns_t *turns)
{
    ngx_queue_t              *q;
    ngx_tecken_turn_t        *turn, *next;
    ngx_tecken_turns_row_t   *row;
    ngx_tecken_turns_look_t   look;

    if (ngx_queue_empty(&turns->waiting)) {
        return NULL;
    }

    next = NULL;

    ngx_tecken_cache_lock(turns->cache);

    ngx_tecken_turns_look(turns->sh, &look);

    for (q = ngx_queue_head(&turns->waiting);
         q != ngx_queue_sentinel(&turns->waiting);
         q = ngx_queue_next(q))
    {
        turn = ngx_queue_data(q, ngx_tecken_turn_t, queue);
        row = ngx_tecken_turns_row(turns, turn);

        if (row == NULL) {

            /* without a row it has waited long enough */

            next = turn;
            break;
        }

        /* its source has all that it may have: others need not wait for it */

        if (look.sources[ngx_tecken_turns_source(turn->source)]
            >= turns->limit)
        {
            continue;
        }

        if (ngx_tecken_turns_may(turns, turn, &look)) {
            row->state = NGX_TECKEN_TURN_RUNNING;
            next = turn;
        }

        break;
    }

    ngx_tecken_cache_unlock(turns->cache);

    return next;
}


static void
ngx_tecken_turns_handler(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_tecken_turn_t   *turn;
    ngx_tecken_turns_t  *turns;

    c = ev->data;
    turns = c->data;

    ngx_tecken_turns_beat(turns, &turns->running);
    ngx_tecken_turns_beat(turns, &turns->waiting);

    while ((turn = ngx_tecken_turns_next(turns))) {

        turn->state = NGX_TECKEN_TURN_RUNNING;

        ngx_queue_remove(&turn->queue);
        ngx_queue_insert_tail(&turns->running, &turn->queue);

        turn->handler(turn);
    }

    if (!ngx_queue_empty(&turns->waiting)) {
        ngx_tecken_turns_arm(turns, NGX_TECKEN_TURN_POLL);

    } else if (!ngx_queue_empty(&turns->running)) {
        ngx_tecken_turns_arm(turns, NGX_TECKEN_TURN_BEAT);
    }
}
