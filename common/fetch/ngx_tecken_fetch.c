
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_fetch.h>


/*
 * The owner's work: find a source that has the .sym, in the order of the
 * configuration, when it has a turn, and tell what has become of it.
 *
 * If a turn is free it is taken at once and each source is asked for the file
 * itself.  Else they are asked whether they have it, which needs no turn: what
 * is missing everywhere is known soon, however many builds wait.
 */


#define NGX_TECKEN_FETCH_TICK       1000

/*
 * A source that brings less than that in so many times its deadline is given
 * up; where it has none, in so long.
 */
#define NGX_TECKEN_FETCH_LEAST      65536
#define NGX_TECKEN_FETCH_DEADLINES  6
#define NGX_TECKEN_FETCH_WINDOW     60000


static void ngx_tecken_fetch_checked(ngx_tecken_symcache_op_t *op);
static void ngx_tecken_fetch_begin(ngx_tecken_fetch_t *f, ngx_int_t rc);
static void ngx_tecken_fetch_turn(ngx_tecken_turn_t *turn);
static void ngx_tecken_fetch_exhausted(ngx_tecken_fetch_t *f);
static void ngx_tecken_fetch_tick(ngx_event_t *ev);
static ngx_uint_t ngx_tecken_fetch_starved(ngx_tecken_fetch_t *f);


void
ngx_tecken_fetch_own(ngx_tecken_fetch_t *f)
{
    ngx_int_t  rc;

    f->owner = 1;
    f->state = NGX_TECKEN_FETCH_OPEN;

    /* not cancelable: a quitting worker ends what it has begun */

    f->tick.handler = ngx_tecken_fetch_tick;
    f->tick.data = f;
    f->tick.log = ngx_cycle->log;

    ngx_add_timer(&f->tick, NGX_TECKEN_FETCH_TICK);

    /* another may have built it since this one has looked */

    f->open.handler = ngx_tecken_fetch_checked;
    f->open.data = f;

    rc = ngx_tecken_symcache_open(f->conf->path, &f->key, &f->open,
                                  ngx_cycle->log);

    if (rc != NGX_AGAIN) {
        ngx_tecken_fetch_begin(f, rc);
    }
}


static void
ngx_tecken_fetch_checked(ngx_tecken_symcache_op_t *op)
{
    ngx_tecken_fetch_begin(op->data, op->rc);
}


static void
ngx_tecken_fetch_begin(ngx_tecken_fetch_t *f, ngx_int_t rc)
{
    if (rc == NGX_OK) {
        f->ref = f->open.ref;
        ngx_tecken_fetch_land(f, NGX_TECKEN_FETCH_BUILT, NULL);
        return;
    }

    if (rc == NGX_ERROR) {
        ngx_tecken_fetch_land(f, NGX_TECKEN_FETCH_ERROR, NULL);
        return;
    }

    f->turn.source = ngx_tecken_fetch_storage(f)->index;

    rc = ngx_tecken_turn_take(f->main->turns, &f->turn, 0);

    f->state = (rc == NGX_OK) ? NGX_TECKEN_FETCH_GET : NGX_TECKEN_FETCH_HEAD;

    ngx_tecken_fetch_go(f, NGX_OK);
}


void
ngx_tecken_fetch_go(ngx_tecken_fetch_t *f, ngx_int_t rc)
{
    while (rc != NGX_AGAIN) {

        if (rc == NGX_ERROR) {
            ngx_tecken_fetch_land(f, NGX_TECKEN_FETCH_ERROR,
                                  &f->main->metrics.failed);
            return;
        }

        if (rc == NGX_BUSY) {
            ngx_log_error(NGX_LOG_ERR, ngx_tecken_fetch_log(f), 0,
                          "module \"%V\": too many builds wait for others",
                          &f->symbol);

            ngx_tecken_fetch_land(f, NGX_TECKEN_FETCH_BUSY,
                                  &f->main->metrics.busy);
            return;
        }

        if (rc == NGX_DECLINED) {
            f->source++;
        }

        if (f->source == f->conf->sources->nelts) {
            ngx_tecken_fetch_exhausted(f);
            return;
        }

        rc = ngx_tecken_fetch_ask(f);
    }
}


/* it is there: whose turn is it? */

ngx_int_t
ngx_tecken_fetch_take(ngx_tecken_fetch_t *f)
{
    ngx_int_t  rc;

    f->turn.handler = ngx_tecken_fetch_turn;
    f->turn.data = f;
    f->turn.source = ngx_tecken_fetch_storage(f)->index;

    rc = ngx_tecken_turn_take(f->main->turns, &f->turn, 1);

    f->state = (rc == NGX_AGAIN) ? NGX_TECKEN_FETCH_TURN
                                 : NGX_TECKEN_FETCH_GET;
    return rc;
}


static void
ngx_tecken_fetch_turn(ngx_tecken_turn_t *turn)
{
    ngx_tecken_fetch_t *f = turn->data;

    f->state = NGX_TECKEN_FETCH_GET;

    ngx_tecken_fetch_go(f, NGX_OK);
}


/* what no source has is missing only if all could say so */

static void
ngx_tecken_fetch_exhausted(ngx_tecken_fetch_t *f)
{
    if (f->failed) {
        ngx_tecken_fetch_land(f, NGX_TECKEN_FETCH_FAILED,
                              &f->main->metrics.source_failed);

    } else if (f->bad) {
        ngx_tecken_fetch_land(f, NGX_TECKEN_FETCH_BAD, NULL);

    } else {
        ngx_tecken_fetch_land(f, NGX_TECKEN_FETCH_MISSING,
                              &f->main->metrics.missing);
    }
}


void
ngx_tecken_fetch_land(ngx_tecken_fetch_t *f, ngx_uint_t code,
    ngx_tecken_metric_t *metric)
{
    time_t      ttl;
    ngx_uint_t  value;

    ngx_tecken_metrics_count(metric, 1);

    value = code;

    if (f->storage) {
        value |= (f->storage->index + 1) << 3;
    }

    ttl = (code == NGX_TECKEN_FETCH_MISSING || code == NGX_TECKEN_FETCH_BAD)
          ? f->conf->valid_missing : 0;

    ngx_tecken_flight_land(f->main->cache, &f->flight, value, ttl);

    ngx_tecken_fetch_tell(f, value);
}


static void
ngx_tecken_fetch_tick(ngx_event_t *ev)
{
    ngx_tecken_fetch_t *f = ev->data;

    u_char            text[128];
    ngx_msec_t        window;
    ngx_str_t         error;
    ngx_core_conf_t  *ccf;

    ngx_tecken_flight_prolong(f->main->cache, &f->flight);

    if (ngx_exiting) {
        ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                               ngx_core_module);
        f->exiting += NGX_TECKEN_FETCH_TICK;

        if (ccf->shutdown_timeout && f->exiting >= ccf->shutdown_timeout) {

            /* the flight passes to another worker that waits */

            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "module \"%V\": given up, the worker has to exit",
                          &f->symbol);

            ngx_tecken_flight_leave(f->main->cache, &f->flight);
            ngx_tecken_fetch_tell(f, NGX_TECKEN_FETCH_BUSY);
            return;
        }
    }

    ngx_add_timer(&f->tick, NGX_TECKEN_FETCH_TICK);

    ngx_tecken_turn_update(f->main->turns, &f->turn, f->turn.source,
                           ngx_tecken_fetch_starved(f));

    if (f->state != NGX_TECKEN_FETCH_GET || f->op == NULL) {
        return;
    }

    if (f->paused || f->fed - f->window_fed >= NGX_TECKEN_FETCH_LEAST) {
        f->window = ngx_current_msec;
        f->window_fed = f->fed;
        return;
    }

    window = ngx_tecken_fetch_storage(f)->deadline
             * NGX_TECKEN_FETCH_DEADLINES;

    if (window == 0) {
        window = NGX_TECKEN_FETCH_WINDOW;
    }

    if (ngx_current_msec - f->window < window) {
        return;
    }

    error.data = text;
    error.len = ngx_snprintf(text, sizeof(text), "too slow, %O bytes in %M s",
                             f->fed - f->window_fed, window / 1000)
                - text;

    ngx_tecken_fetch_source_failed(f, f->op->attempts, &error);
    ngx_tecken_fetch_go(f, NGX_DECLINED);
}


/* has nothing but waited for the source since the last tick? */

static ngx_uint_t
ngx_tecken_fetch_starved(ngx_tecken_fetch_t *f)
{
    off_t  before;

    if (f->state != NGX_TECKEN_FETCH_GET || f->op == NULL) {
        return 0;
    }

    before = f->tick_fed;
    f->tick_fed = f->fed;

    /* the source was asked since then */

    if (before == -1) {
        return 0;
    }

    return !f->paused && f->fed - before < NGX_TECKEN_FETCH_LEAST;
}


ngx_log_t *
ngx_tecken_fetch_log(ngx_tecken_fetch_t *f)
{
    ngx_queue_t          *q;
    ngx_tecken_module_t  *m;

    if (ngx_queue_empty(&f->modules)) {
        return ngx_cycle->log;
    }

    q = ngx_queue_head(&f->modules);
    m = ngx_queue_data(q, ngx_tecken_module_t, queue);

    return m->log;
}
