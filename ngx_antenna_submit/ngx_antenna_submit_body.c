
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_submit.h>


/*
 * Reads the body as it comes and hands it to the parser, not more than
 * NGX_ANTENNA_TURN bytes of the form at once.  While the disk is behind, or a
 * thread is at work, nothing is read: the client's window closes.
 */


#define NGX_ANTENNA_TICK   5000
#define NGX_ANTENNA_GRACE  30000      /* before the rate counts */
#define NGX_ANTENNA_HOLD   60000


static void ngx_antenna_body_read(ngx_http_request_t *r);
static ngx_int_t ngx_antenna_body_process(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_body_pause(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_body_rest(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_body_slice(ngx_antenna_submit_ctx_t *ctx,
    ngx_buf_t *b);
static void ngx_antenna_body_inflate(ngx_antenna_submit_ctx_t *ctx,
    ngx_buf_t *b);
static void ngx_antenna_body_take(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_body_copy(ngx_antenna_submit_ctx_t *ctx);
static ngx_int_t ngx_antenna_body_load(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_body_pread(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_body_loaded(ngx_antenna_submit_ctx_t *ctx);
static ngx_int_t ngx_antenna_body_put(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_body_failed(ngx_antenna_submit_ctx_t *ctx,
    ngx_int_t rc);
static void ngx_antenna_body_end(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_body_next(ngx_event_t *ev);
static void ngx_antenna_body_go(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_body_timer(ngx_event_t *ev);
static void ngx_antenna_body_hold(ngx_event_t *ev);


#define ngx_antenna_body_in_file(b)                                           \
    ((b)->in_file && !ngx_buf_in_memory(b))


/* of the worker: what was inflated is parsed at once */

static u_char  ngx_antenna_inflated[NGX_ANTENNA_TURN];


void
ngx_antenna_body_init(ngx_http_request_t *r)
{
    ngx_antenna_submit_ctx_t       *ctx;
    ngx_antenna_submit_loc_conf_t  *alcf;

    ctx = ngx_http_get_module_ctx(r, ngx_antenna_submit_module);
    alcf = ngx_http_get_module_loc_conf(r, ngx_antenna_submit_module);

    ctx->began = ngx_current_msec;

    ctx->next.handler = ngx_antenna_body_next;
    ctx->next.data = ctx;
    ctx->next.log = r->connection->log;

    ctx->timer.handler = ngx_antenna_body_timer;
    ctx->timer.data = r->connection;
    ctx->timer.log = r->connection->log;

    ctx->hold.handler = ngx_antenna_body_hold;
    ctx->hold.data = r->connection;
    ctx->hold.log = r->connection->log;

    ngx_add_timer(&ctx->hold, NGX_ANTENNA_HOLD);

    r->read_event_handler = ngx_antenna_body_read;
    r->write_event_handler = ngx_http_request_empty_handler;

    if (r->reading_body) {
        ngx_add_timer(&ctx->timer,
                      ngx_min(NGX_ANTENNA_TICK, alcf->body_timeout));
    }

    ngx_antenna_body_take(ctx);
    ngx_antenna_body_read(r);
}


void
ngx_antenna_body_cleanup(ngx_antenna_submit_ctx_t *ctx)
{
    if (ctx->next.posted) {
        ngx_delete_posted_event(&ctx->next);
    }

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }
}


static void
ngx_antenna_body_read(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_antenna_submit_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_antenna_submit_module);

    if (ctx->next.posted) {
        return;
    }

    for ( ;; ) {

        if (ngx_antenna_body_process(ctx) == NGX_AGAIN) {
            return;
        }

        if (!r->reading_body) {
            ngx_antenna_body_end(ctx);
            return;
        }

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            ngx_antenna_body_failed(ctx, rc);
            return;
        }

        ngx_antenna_body_take(ctx);

        if (rc == NGX_AGAIN && ctx->in == NULL) {

            if (ctx->record) {
                ngx_antenna_record_flush(ctx->record);
            }

            return;
        }
    }
}


/* NGX_OK: all that came is used; NGX_AGAIN: later */

static ngx_int_t
ngx_antenna_body_process(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    for ( ;; ) {

        if (ctx->blocked || ctx->working) {
            ngx_antenna_body_pause(ctx);
            return NGX_AGAIN;
        }

        if (ctx->rest_pos != ctx->rest_last) {
            ngx_antenna_body_rest(ctx);
            continue;
        }

        if (ctx->in == NULL) {
            return NGX_OK;
        }

        b = ctx->in->buf;

        if (ctx->drain) {
            b->pos = b->last;
            b->file_pos = b->file_last;
            ctx->pending = 0;
        }

        if (ngx_antenna_body_in_file(b) && b->file_pos != b->file_last) {

            if (ngx_antenna_body_load(ctx) != NGX_OK) {
                ctx->failed = NGX_ERROR;
                ngx_antenna_crash_drop(ctx);
            }

            continue;
        }

        if (b->pos == b->last && !ctx->pending) {
            cl = ctx->in;
            ctx->in = cl->next;
            ngx_free_chain(ctx->request->pool, cl);
            continue;
        }

        if (ctx->turn >= NGX_ANTENNA_TURN) {
            ctx->turn = 0;
            ngx_post_event(&ctx->next, &ngx_posted_next_events);
            return NGX_AGAIN;
        }

        if (ctx->compressed) {
            ngx_antenna_body_inflate(ctx, b);

        } else {
            ngx_antenna_body_slice(ctx, b);
        }
    }
}


/* it is not the client who is slow */

static void
ngx_antenna_body_pause(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = ctx->request->connection;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    ctx->blocked_at = ngx_current_msec;
    ctx->request->read_event_handler = ngx_http_block_reading;
}


static void
ngx_antenna_body_rest(ngx_antenna_submit_ctx_t *ctx)
{
    u_char  *pos;

    pos = ctx->rest_pos;
    ctx->rest_pos = ctx->rest_last;

    ngx_antenna_crash_parse(ctx, pos, ctx->rest_last - pos, 0);
}


static void
ngx_antenna_body_slice(ngx_antenna_submit_ctx_t *ctx, ngx_buf_t *b)
{
    size_t  len;

    len = ngx_min((size_t) (b->last - b->pos), NGX_ANTENNA_TURN);

    ctx->size += len;
    ctx->turn += len;

    ngx_antenna_crash_parse(ctx, b->pos, len, 0);

    b->pos += len;
}


static void
ngx_antenna_body_inflate(ngx_antenna_submit_ctx_t *ctx, ngx_buf_t *b)
{
    int     rc;
    size_t  used, len;

    rc = tk_inflate_feed(ctx->inflate, b->pos, b->last - b->pos, &used,
                         ngx_antenna_inflated, NGX_ANTENNA_TURN, &len);

    b->pos += used;

    ctx->pending = (len == NGX_ANTENNA_TURN);
    ctx->inflated = (rc == TK_INFLATE_END);
    ctx->size += len;
    ctx->turn += len + used;

    if (rc != TK_INFLATE_ERROR) {
        ngx_antenna_crash_parse(ctx, ngx_antenna_inflated, len, 0);
        return;
    }

    switch (tk_inflate_code(ctx->inflate)) {

    case TK_INFLATE_LIMIT:
        ngx_antenna_crash_refuse(ctx, TK_MALFORMED_TOO_LARGE);
        break;

    case TK_INFLATE_NO_MEMORY:
        ngx_antenna_crash_refuse(ctx, TK_MALFORMED_NO_MEMORY);
        break;

    default:
        ngx_log_error(NGX_LOG_INFO, ctx->request->connection->log, 0,
                      "client sent a bad gzip body: %s",
                      tk_inflate_error(ctx->inflate));

        ngx_antenna_crash_refuse(ctx, TK_MALFORMED_BAD_GZIP);
    }
}


/* the buffers are nginx's, which uses them again once they are empty */

static void
ngx_antenna_body_take(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_chain_t         *cl, **last;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return;
    }

    if (ctx->shared) {
        ngx_antenna_body_copy(ctx);
        return;
    }

    for (last = &ctx->in; *last; last = &(*last)->next) { /* void */ }

    *last = r->request_body->bufs;
    r->request_body->bufs = NULL;

    for (cl = *last; cl; cl = cl->next) {
        ctx->received += ngx_buf_size(cl->buf);
    }
}


/* at once the whole body, which others read, too */

static void
ngx_antenna_body_copy(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_buf_t           *b;
    ngx_chain_t         *cl, *ln, **last;
    ngx_http_request_t  *r;

    r = ctx->request;
    last = &ctx->in;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {

        ln = ngx_alloc_chain_link(r->pool);
        b = ngx_alloc_buf(r->pool);

        if (ln == NULL || b == NULL) {
            ctx->failed = NGX_ERROR;
            ngx_antenna_crash_drop(ctx);
            return;
        }

        *b = *cl->buf;
        ctx->received += ngx_buf_size(b);

        ln->buf = b;
        ln->next = NULL;

        *last = ln;
        last = &ln->next;
    }
}


/* some of the first buffer, which is in a file: into one in front of it */

static ngx_int_t
ngx_antenna_body_load(ngx_antenna_submit_ctx_t *ctx)
{
    if (ctx->load == NULL) {
        ctx->load = ngx_alloc(NGX_ANTENNA_TURN,
                              ctx->request->connection->log);
        if (ctx->load == NULL) {
            return NGX_ERROR;
        }
    }

    return ngx_antenna_work(ctx, ngx_antenna_body_pread,
                            ngx_antenna_body_loaded);
}


static void
ngx_antenna_body_pread(ngx_antenna_submit_ctx_t *ctx)
{
    size_t      size;
    ngx_buf_t  *b;

    b = ctx->in->buf;
    size = (size_t) ngx_min(NGX_ANTENNA_TURN, b->file_last - b->file_pos);

    do {
        ctx->loaded = pread(b->file->fd, ctx->load, size, b->file_pos);
        ctx->err = (ctx->loaded == -1) ? ngx_errno : 0;
    } while (ctx->err == NGX_EINTR);
}


static void
ngx_antenna_body_loaded(ngx_antenna_submit_ctx_t *ctx)
{
    if (ctx->loaded <= 0) {
        ngx_log_error(NGX_LOG_CRIT, ctx->request->connection->log, ctx->err,
                      "pread() of the body of a crash report failed");
    }

    if (ctx->loaded <= 0 || ngx_antenna_body_put(ctx) != NGX_OK) {
        ctx->failed = NGX_ERROR;
        ngx_antenna_crash_drop(ctx);
    }

    ngx_antenna_body_worked(ctx);
}


static ngx_int_t
ngx_antenna_body_put(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_buf_t           *b;
    ngx_chain_t         *ln;
    ngx_http_request_t  *r;

    r = ctx->request;

    ln = ngx_alloc_chain_link(r->pool);
    b = ngx_calloc_buf(r->pool);

    if (ln == NULL || b == NULL) {
        return NGX_ERROR;
    }

    b->memory = 1;
    b->pos = ctx->load;
    b->last = ctx->load + ctx->loaded;

    ctx->in->buf->file_pos += ctx->loaded;

    ln->buf = b;
    ln->next = ctx->in;
    ctx->in = ln;

    return NGX_OK;
}


static void
ngx_antenna_body_failed(ngx_antenna_submit_ctx_t *ctx, ngx_int_t rc)
{
    ngx_http_request_t              *r;
    ngx_antenna_submit_main_conf_t  *amcf;

    r = ctx->request;

    ngx_antenna_body_cleanup(ctx);
    ngx_antenna_crash_drop(ctx);

    r->keepalive = 0;

    if (rc == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {
        rc = ngx_antenna_answer_malformed(ctx, TK_MALFORMED_TOO_LARGE);

    } else if (rc == NGX_HTTP_BAD_REQUEST && !r->connection->error) {
        rc = ngx_antenna_answer_malformed(ctx, TK_MALFORMED_STRUCTURE);

    } else if (r->connection->error || r->connection->timedout) {
        amcf = ngx_http_get_module_main_conf(r, ngx_antenna_submit_module);
        ngx_tecken_metrics_count(&amcf->metrics.vanished, 1);
    }

    ngx_http_finalize_request(r, rc);
}


static void
ngx_antenna_body_end(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_int_t                        rc;
    ngx_http_request_t              *r;
    ngx_antenna_metrics_t           *m;
    ngx_antenna_submit_main_conf_t  *amcf;

    r = ctx->request;

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    r->read_event_handler = ngx_http_block_reading;

    amcf = ngx_http_get_module_main_conf(r, ngx_antenna_submit_module);
    m = &amcf->metrics;

    if (!ctx->drain && ctx->received == 0) {
        ngx_antenna_crash_refuse(ctx, TK_MALFORMED_NO_CONTENT_LENGTH);
    }

    if (!ctx->drain && ctx->compressed && !ctx->inflated) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "client sent a gzip body that ends too early");
        ngx_antenna_crash_refuse(ctx, TK_MALFORMED_BAD_GZIP);
    }

    if (!ctx->drain && !ctx->ended) {
        ngx_antenna_crash_parse(ctx, NULL, 0, 1);

        if (ctx->working) {
            return;
        }
    }

    ctx->blocked = 0;
    ctx->decided = 1;

    if (ctx->size && ctx->malformed != TK_MALFORMED_BAD_GZIP) {
        ngx_tecken_metrics_observe(ctx->compressed ? &m->size_gzipped
                                                   : &m->size, ctx->size);
    }

    rc = ngx_antenna_crash_decide(ctx);

    if (rc != NGX_AGAIN) {
        ngx_http_finalize_request(r, rc);
    }
}


/* others have had their turn */

static void
ngx_antenna_body_next(ngx_event_t *ev)
{
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_antenna_submit_ctx_t  *ctx = ev->data;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_antenna_body_read(r);

    ngx_http_run_posted_requests(c);
}


/* the disk has caught up, or failed, which the next write tells */

void
ngx_antenna_body_resume(ngx_antenna_record_t *rec)
{
    ngx_connection_t          *c;
    ngx_antenna_submit_ctx_t  *ctx = rec->data;

    c = ctx->request->connection;

    ngx_http_set_log_request(c->log, ctx->request);

    ctx->blocked = 0;

    ngx_antenna_body_go(ctx);

    ngx_http_run_posted_requests(c);
}


void
ngx_antenna_body_worked(ngx_antenna_submit_ctx_t *ctx)
{
    /* the connection was closed for us meanwhile */

    if (ctx->request->connection->error) {
        ngx_antenna_body_failed(ctx, NGX_HTTP_CLIENT_CLOSED_REQUEST);
        return;
    }

    ngx_antenna_body_go(ctx);
}


static void
ngx_antenna_body_go(ngx_antenna_submit_ctx_t *ctx)
{
    if (ctx->blocked || ctx->working || ctx->decided) {
        return;
    }

    ctx->stalled += ngx_current_msec - ctx->blocked_at;

    ctx->request->read_event_handler = ngx_antenna_body_read;

    ngx_antenna_body_read(ctx->request);
}


/* nginx's own timeout is from one read to the next */

static void
ngx_antenna_body_timer(ngx_event_t *ev)
{
    off_t                            rate;
    ngx_msec_t                       passed;
    ngx_connection_t                *c;
    ngx_http_request_t              *r;
    ngx_antenna_submit_ctx_t        *ctx;
    ngx_antenna_submit_loc_conf_t   *alcf;
    ngx_antenna_submit_main_conf_t  *amcf;

    ctx = (ngx_antenna_submit_ctx_t *)
              ((u_char *) ev - offsetof(ngx_antenna_submit_ctx_t, timer));

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    alcf = ngx_http_get_module_loc_conf(r, ngx_antenna_submit_module);

    passed = ngx_current_msec - ctx->began - ctx->stalled;

    if (ctx->blocked || ctx->working) {
        passed -= ngx_current_msec - ctx->blocked_at;
    }

    rate = passed ? ctx->received * 1000 / (off_t) passed : 0;

    /* what a thread uses is not taken away */

    if (ctx->working) {
        ngx_add_timer(ev, NGX_ANTENNA_TICK);
        return;
    }

    if (passed < alcf->body_timeout
        && (passed < NGX_ANTENNA_GRACE || rate >= (off_t) alcf->body_min_rate))
    {
        ngx_add_timer(ev, ngx_min(NGX_ANTENNA_TICK,
                                  alcf->body_timeout - passed));
        return;
    }

    ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                  "client sent %O bytes of a crash report in %M ms, see "
                  "antenna_body_timeout and antenna_body_min_rate",
                  ctx->received, passed);

    amcf = ngx_http_get_module_main_conf(r, ngx_antenna_submit_module);
    ngx_tecken_metrics_count(&amcf->metrics.vanished, 1);

    ngx_antenna_body_cleanup(ctx);
    ngx_antenna_crash_drop(ctx);

    r->keepalive = 0;

    ngx_http_finalize_request(r, ngx_antenna_answer_slow(ctx));
    ngx_http_run_posted_requests(c);
}


static void
ngx_antenna_body_hold(ngx_event_t *ev)
{
    ngx_add_timer(ev, NGX_ANTENNA_HOLD);
}
