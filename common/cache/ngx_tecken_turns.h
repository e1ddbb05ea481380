
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_TURNS_H_INCLUDED_
#define _NGX_TECKEN_TURNS_H_INCLUDED_


#include <ngx_tecken_cache.h>


/*
 * Heavy jobs, a few at once in all workers; the others wait for their turn in
 * the order in which they came, whichever worker they are in.  A source that
 * lets its jobs wait has turns of its own.
 */


/* jobs that run or wait, in all workers */
#define NGX_TECKEN_TURNS_MAX  1024


typedef struct ngx_tecken_turns_s     ngx_tecken_turns_t;
typedef struct ngx_tecken_turns_sh_s  ngx_tecken_turns_sh_t;
typedef struct ngx_tecken_turn_s      ngx_tecken_turn_t;

typedef void (*ngx_tecken_turn_handler_pt)(ngx_tecken_turn_t *turn);


struct ngx_tecken_turn_s {
    ngx_tecken_turn_handler_pt     handler;    /* set by the caller */
    void                          *data;       /* the caller's */
    ngx_uint_t                     source;     /* set by the caller: whose
                                                  bytes the job needs */

    /* private, all zero before take() */
    ngx_queue_t                    queue;
    uint64_t                       ticket;
    ngx_uint_t                     row;
    ngx_uint_t                     state;
};


/* a handle of this process; its memory is cf->pool's */
ngx_tecken_turns_t *ngx_tecken_turns_create(ngx_conf_t *cf);

/* from the zone's init, before the cache takes what the zone has left */
ngx_int_t ngx_tecken_turns_init_zone(ngx_tecken_turns_t *turns,
    ngx_tecken_cache_t *cache, ngx_slab_pool_t *shpool,
    ngx_tecken_turns_sh_t **sh);

/* in a worker, before the first request; limit: jobs that run at once */
void ngx_tecken_turns_init_worker(ngx_tecken_turns_t *turns,
    ngx_cycle_t *cycle, ngx_uint_t limit);

/*
 * Asks for a turn.
 *
 *   NGX_OK        the job may run, until leave();
 *   NGX_AGAIN     turn->handler is called later, from the event loop: then it
 *                 may run;
 *   NGX_DECLINED  it would have to wait, and wait is 0;
 *   NGX_BUSY      too many wait.
 */
ngx_int_t ngx_tecken_turn_take(ngx_tecken_turns_t *turns,
    ngx_tecken_turn_t *turn, ngx_uint_t wait);

/*
 * The job that runs goes on with that source.  starved 1: it does next to
 * nothing but wait for it, another may run instead, of another source.
 */
void ngx_tecken_turn_update(ngx_tecken_turns_t *turns,
    ngx_tecken_turn_t *turn, ngx_uint_t source, ngx_uint_t starved);

/* the job is over, or waits no more; right for a turn that was never taken */
void ngx_tecken_turn_leave(ngx_tecken_turns_t *turns,
    ngx_tecken_turn_t *turn);

/* jobs of all workers */
void ngx_tecken_turns_status(ngx_tecken_turns_t *turns, ngx_uint_t *running,
    ngx_uint_t *waiting);


#endif /* _NGX_TECKEN_TURNS_H_INCLUDED_ */
