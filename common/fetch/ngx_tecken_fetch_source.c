
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_fetch.h>


/* The owner's work with one source: ask it, feed what it sends to a build. */


/* to read so much of a body costs less than another connection */
#define NGX_TECKEN_FETCH_DRAIN  131072


static void ngx_tecken_fetch_asked(ngx_tecken_store_op_t *op);
static ngx_int_t ngx_tecken_fetch_answer(ngx_tecken_fetch_t *f, ngx_int_t rc);
static ngx_int_t ngx_tecken_fetch_build(ngx_tecken_fetch_t *f);
static ngx_int_t ngx_tecken_fetch_sink(ngx_tecken_store_op_t *op,
    u_char *data, size_t len);
static void ngx_tecken_fetch_resume(ngx_tecken_symbuild_t *b);
static void ngx_tecken_fetch_enough(ngx_tecken_symbuild_t *b);
static void ngx_tecken_fetch_built(ngx_tecken_symbuild_t *b);
static ngx_int_t ngx_tecken_fetch_verdict(ngx_tecken_fetch_t *f);
static void ngx_tecken_fetch_downloaded(ngx_tecken_fetch_t *f);
static void ngx_tecken_fetch_bad(ngx_tecken_fetch_t *f,
    ngx_tecken_symbuild_reason_e reason, ngx_str_t *error);
static void ngx_tecken_fetch_stop(ngx_tecken_fetch_t *f);


#define ngx_tecken_fetch_source_metrics(f)                                    \
    (&(f)->main->metrics.sources[ngx_tecken_fetch_storage(f)->index])


ngx_int_t
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


void
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
