
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_fetch.h>


/*
 * The owner's work: find a source that has the .sym, in the order of the
 * configuration, feed it to a build, store the symcache.
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

/* to read so much of a body costs less than another connection */
#define NGX_TECKEN_FETCH_DRAIN      131072


static void ngx_tecken_fetch_checked(ngx_tecken_symcache_op_t *op);
static void ngx_tecken_fetch_begin(ngx_tecken_fetch_t *f, ngx_int_t rc);
static void ngx_tecken_fetch_go(ngx_tecken_fetch_t *f, ngx_int_t rc);
static ngx_int_t ngx_tecken_fetch_ask(ngx_tecken_fetch_t *f);
static void ngx_tecken_fetch_asked(ngx_tecken_store_op_t *op);
static ngx_int_t ngx_tecken_fetch_answer(ngx_tecken_fetch_t *f, ngx_int_t rc);
static ngx_int_t ngx_tecken_fetch_take(ngx_tecken_fetch_t *f);
static void ngx_tecken_fetch_turn(ngx_tecken_turn_t *turn);
static ngx_int_t ngx_tecken_fetch_build(ngx_tecken_fetch_t *f);
static ngx_int_t ngx_tecken_fetch_sink(ngx_tecken_store_op_t *op,
    u_char *data, size_t len);
static void ngx_tecken_fetch_resume(ngx_tecken_symbuild_t *b);
static void ngx_tecken_fetch_enough(ngx_tecken_symbuild_t *b);
static void ngx_tecken_fetch_built(ngx_tecken_symbuild_t *b);
static ngx_int_t ngx_tecken_fetch_verdict(ngx_tecken_fetch_t *f);
static void ngx_tecken_fetch_downloaded(ngx_tecken_fetch_t *f);
static void ngx_tecken_fetch_source_failed(ngx_tecken_fetch_t *f,
    ngx_uint_t attempts, ngx_str_t *error);
static void ngx_tecken_fetch_bad(ngx_tecken_fetch_t *f,
    ngx_tecken_symbuild_reason_e reason, ngx_str_t *error);
static void ngx_tecken_fetch_stop(ngx_tecken_fetch_t *f);
static void ngx_tecken_fetch_exhausted(ngx_tecken_fetch_t *f);
static void ngx_tecken_fetch_land(ngx_tecken_fetch_t *f, ngx_uint_t code,
    ngx_tecken_metric_t *metric);
static void ngx_tecken_fetch_tick(ngx_event_t *ev);
static ngx_uint_t ngx_tecken_fetch_starved(ngx_tecken_fetch_t *f);
static ngx_log_t *ngx_tecken_fetch_log(ngx_tecken_fetch_t *f);


#define ngx_tecken_fetch_storage(f)                                           \
    (((ngx_tecken_storage_t **) (f)->conf->sources->elts)[(f)->source])

#define ngx_tecken_fetch_source_metrics(f)                                    \
    (&(f)->main->metrics.sources[ngx_tecken_fetch_storage(f)->index])


/* may tell at once, and free f */

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


/*
 * Goes on until something is to be waited for.  NGX_OK: f->source is to be
 * asked; NGX_DECLINED: the one after it; NGX_BUSY, NGX_ERROR: this is the end.
 * May free f.
 */

static void
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


static ngx_int_t
ngx_tecken_fetch_ask(ngx_tecken_fetch_t *f)
{
    ngx_int_t               rc;
    ngx_tecken_store_op_t  *op;

    f->asked = ngx_tecken_usec();
    f->fed = 0;
    f->drain = 0;
    f->paused = 0;
    f->too_large = 0;
    f->stat.downloaded = 1;

    op = ngx_tecken_store_op_create(ngx_tecken_fetch_storage(f), &f->path,
                                    ngx_cycle->log);
    if (op == NULL) {
        return NGX_ERROR;
    }

    f->op = op;

    op->handler = ngx_tecken_fetch_asked;
    op->sink = ngx_tecken_fetch_sink;
    op->data = f;

    if (f->state == NGX_TECKEN_FETCH_HEAD) {
        rc = ngx_tecken_store_head(op);

    } else {
        f->state = NGX_TECKEN_FETCH_GET;
        f->window = ngx_current_msec;
        f->window_fed = 0;
        f->tick_fed = -1;

        ngx_tecken_turn_update(f->main->turns, &f->turn,
                               ngx_tecken_fetch_storage(f)->index, 0);

        if (ngx_tecken_fetch_build(f) != NGX_OK) {
            return NGX_ERROR;
        }

        rc = ngx_tecken_store_get(op);
    }

    return (rc == NGX_AGAIN) ? NGX_AGAIN : ngx_tecken_fetch_answer(f, rc);
}


static void
ngx_tecken_fetch_asked(ngx_tecken_store_op_t *op)
{
    ngx_tecken_fetch_t *f = op->data;

    ngx_tecken_fetch_go(f, ngx_tecken_fetch_answer(f, op->rc));
}


/* the operation is over: as go() wants it, or NGX_AGAIN */

static ngx_int_t
ngx_tecken_fetch_answer(ngx_tecken_fetch_t *f, ngx_int_t rc)
{
    ngx_str_t                           error;
    ngx_tecken_symbuild_reason_e        reason;
    ngx_tecken_fetch_source_metrics_t  *metrics;

    metrics = ngx_tecken_fetch_source_metrics(f);

    if (f->drain) {
        ngx_tecken_store_op_destroy(f->op);
        f->op = NULL;
        return NGX_AGAIN;
    }

    if (f->too_large) {
        ngx_str_set(&error, "too large");
        ngx_tecken_fetch_bad(f, NGX_TECKEN_SYMBUILD_TOO_LARGE, &error);
        return NGX_DECLINED;
    }

    if (f->build
        && ngx_tecken_symbuild_result(f->build, NULL, &reason, &error)
           != NGX_AGAIN)
    {
        return ngx_tecken_fetch_verdict(f);
    }

    switch (rc) {

    case NGX_OK:

        if (f->state == NGX_TECKEN_FETCH_HEAD) {
            ngx_tecken_fetch_stop(f);
            return ngx_tecken_fetch_take(f);
        }

        ngx_tecken_fetch_downloaded(f);

        ngx_tecken_store_op_destroy(f->op);
        f->op = NULL;

        if (ngx_tecken_symbuild_finish(f->build) == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        return ngx_tecken_fetch_verdict(f);

    case NGX_DECLINED:
        ngx_tecken_metrics_observe(&metrics->missing,
                                   ngx_tecken_usec() - f->asked);
        ngx_tecken_fetch_stop(f);
        return NGX_DECLINED;

    default: /* NGX_ERROR, NGX_BUSY */
        ngx_tecken_fetch_source_failed(f, f->op->attempts, &f->op->error);
        return NGX_DECLINED;
    }
}


/* it is there: whose turn is it? */

static ngx_int_t
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


static ngx_int_t
ngx_tecken_fetch_build(ngx_tecken_fetch_t *f)
{
    ngx_tecken_symbuild_conf_t  conf;

    ngx_memzero(&conf, sizeof(ngx_tecken_symbuild_conf_t));

    conf.path = f->conf->path;
    conf.key = &f->key;
    conf.debug_id = f->debug_id;
    conf.max_symbols = f->conf->max_symbols;
    conf.strict = f->conf->strict;
    conf.pool = f->main->thread_pool;
    conf.io_pool = f->main->io_thread_pool;
    conf.resume = ngx_tecken_fetch_resume;
    conf.enough = ngx_tecken_fetch_enough;
    conf.handler = ngx_tecken_fetch_built;
    conf.data = f;
    conf.log = ngx_cycle->log;

    f->build = ngx_tecken_symbuild_create(&conf);

    return (f->build == NULL) ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_tecken_fetch_sink(ngx_tecken_store_op_t *op, u_char *data, size_t len)
{
    ngx_tecken_fetch_t *f = op->data;

    ngx_int_t  rc;

    f->fed += len;

    if (f->drain) {
        return NGX_OK;
    }

    if (op->object.size > f->conf->max_symbols) {
        f->too_large = 1;
        return NGX_ERROR;
    }

    rc = ngx_tecken_symbuild_feed(f->build, data, len);

    if (rc == NGX_AGAIN) {
        f->paused = 1;
    }

    return rc;
}


static void
ngx_tecken_fetch_resume(ngx_tecken_symbuild_t *b)
{
    ngx_tecken_fetch_t *f = ngx_tecken_symbuild_data(b);

    f->paused = 0;

    if (f->op) {
        ngx_tecken_store_resume(f->op);
    }
}


/* the rest of the .sym is stack records */

static void
ngx_tecken_fetch_enough(ngx_tecken_symbuild_t *b)
{
    ngx_tecken_fetch_t *f = ngx_tecken_symbuild_data(b);

    off_t  size;

    if (f->op == NULL) {
        return;
    }

    ngx_tecken_fetch_downloaded(f);

    size = f->op->object.size;

    if (size >= 0 && size - f->fed <= NGX_TECKEN_FETCH_DRAIN) {
        f->drain = 1;
        ngx_tecken_store_resume(f->op);
        return;
    }

    ngx_tecken_store_op_destroy(f->op);
    f->op = NULL;
}


static void
ngx_tecken_fetch_built(ngx_tecken_symbuild_t *b)
{
    ngx_tecken_fetch_t *f = ngx_tecken_symbuild_data(b);

    ngx_tecken_fetch_go(f, ngx_tecken_fetch_verdict(f));
}


/* the build is over: NGX_AGAIN, f is gone; or as go() wants it */

static ngx_int_t
ngx_tecken_fetch_verdict(ngx_tecken_fetch_t *f)
{
    ngx_int_t                      rc;
    ngx_str_t                      error;
    ngx_tecken_symbuild_stat_t     stat;
    ngx_tecken_symbuild_reason_e   reason;

    rc = ngx_tecken_symbuild_result(f->build, &f->ref, &reason, &error);

    if (rc == NGX_DECLINED) {
        ngx_tecken_fetch_bad(f, reason, &error);
        return NGX_DECLINED;
    }

    f->storage = ngx_tecken_fetch_storage(f);

    if (rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_ERR, ngx_tecken_fetch_log(f), 0,
                      "module \"%V\": could not build a symcache from \"%V\": "
                      "%V", &f->symbol, &f->storage->name, &error);

        ngx_tecken_fetch_stop(f);
        return NGX_ERROR;
    }

    ngx_tecken_symbuild_stat(f->build, &stat);

    ngx_log_error(NGX_LOG_INFO, ngx_tecken_fetch_log(f), 0,
                  "module \"%V\": built from \"%V\" in %uL ms: %O bytes, "
                  "%O of text, %uL records dropped, symcache of %O",
                  &f->symbol, &f->storage->name,
                  (ngx_tecken_usec() - f->started) / 1000, stat.fed,
                  stat.text, stat.dropped, stat.size);

    ngx_tecken_metrics_observe(&f->main->metrics.time,
                               ngx_tecken_usec() - f->started);

    f->stat.parsed = 1;
    f->stat.save_usec = stat.save_usec;

    ngx_tecken_fetch_stop(f);

    ngx_tecken_fetch_land(f, NGX_TECKEN_FETCH_BUILT, &f->main->metrics.built);

    return NGX_AGAIN;
}


/* the source has given what was wanted */

static void
ngx_tecken_fetch_downloaded(ngx_tecken_fetch_t *f)
{
    off_t                               size;
    uint64_t                            usec;
    ngx_tecken_fetch_source_metrics_t  *metrics;

    metrics = ngx_tecken_fetch_source_metrics(f);

    size = f->op->object.size;
    usec = ngx_tecken_usec() - f->asked;

    f->state = NGX_TECKEN_FETCH_BUILD;

    f->stat.found = 1;
    f->stat.size = (size >= 0) ? size : f->fed;
    f->stat.download_usec += usec;

    ngx_tecken_metrics_observe(&metrics->found, usec);
}


static void
ngx_tecken_fetch_source_failed(ngx_tecken_fetch_t *f, ngx_uint_t attempts,
    ngx_str_t *error)
{
    ngx_tecken_fetch_source_metrics_t  *metrics;

    metrics = ngx_tecken_fetch_source_metrics(f);

    f->failed = 1;
    f->storage = ngx_tecken_fetch_storage(f);

    ngx_tecken_metrics_observe(&metrics->failed, ngx_tecken_usec() - f->asked);

    ngx_log_error(NGX_LOG_ERR, ngx_tecken_fetch_log(f), 0,
                  "module \"%V\": source \"%V\" failed after %ui attempts: %V",
                  &f->symbol, &f->storage->name, attempts, error);

    ngx_tecken_fetch_stop(f);
}


/* a source has a file that is none */

static void
ngx_tecken_fetch_bad(ngx_tecken_fetch_t *f,
    ngx_tecken_symbuild_reason_e reason, ngx_str_t *error)
{
    const char            *what;
    ngx_tecken_metric_t   *metric;
    ngx_tecken_storage_t  *st;

    switch (reason) {

    case NGX_TECKEN_SYMBUILD_OTHER_ID:
        what = "has another debug id";
        metric = &f->main->metrics.other_id;
        break;

    case NGX_TECKEN_SYMBUILD_TOO_LARGE:
        what = "exceeds a limit, see \"tecken_symbolicate_max_symbols\"";
        metric = &f->main->metrics.too_large;
        break;

    default: /* NGX_TECKEN_SYMBUILD_BAD */
        what = "is no symbol file";
        metric = &f->main->metrics.bad;
        break;
    }

    st = ngx_tecken_fetch_storage(f);

    ngx_log_error(NGX_LOG_WARN, ngx_tecken_fetch_log(f), 0,
                  "module \"%V\": \"%V\" in \"%V\" %s: %V",
                  &f->symbol, &f->path, &st->name, what, error);

    ngx_tecken_metrics_count(metric, 1);

    if (!f->bad) {
        f->bad = 1;

        if (!f->failed) {
            f->storage = st;
        }
    }

    ngx_tecken_fetch_stop(f);
}


/* ends what is under way at a source */

static void
ngx_tecken_fetch_stop(ngx_tecken_fetch_t *f)
{
    ngx_tecken_symbuild_stat_t   stat;
    ngx_tecken_fetch_metrics_t  *metrics;

    metrics = &f->main->metrics;

    if (f->op) {
        ngx_tecken_store_op_destroy(f->op);
        f->op = NULL;
    }

    if (f->build == NULL) {
        return;
    }

    ngx_tecken_symbuild_stat(f->build, &stat);

    ngx_tecken_symbuild_destroy(f->build);
    f->build = NULL;

    if (stat.fed == 0) {
        return;
    }

    f->stat.inflate_usec += stat.inflate_usec;
    f->stat.parse_usec += stat.parse_usec;

    ngx_tecken_metrics_count(&ngx_tecken_fetch_source_metrics(f)->bytes,
                             stat.fed);
    ngx_tecken_metrics_count(&metrics->text, stat.text);
    ngx_tecken_metrics_observe(&metrics->parse, stat.parse_usec);

    if (stat.gzip) {
        ngx_tecken_metrics_observe(&metrics->inflate, stat.inflate_usec);
    }
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


static void
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


/* of a request that waits for it, if any */

static ngx_log_t *
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
