
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbolicate.h>


/*
 * The answer is written slice by slice, each straight from lookups into a few
 * buffers.  A small answer is one slice and has a length; of a large one the
 * next slice is written when the client has taken the one before and others
 * had their turn on the event loop.
 */


#define NGX_TECKEN_SYMBOLICATE_BUFS      4        /* of a slice */
#define NGX_TECKEN_SYMBOLICATE_BUF_SIZE  16384

/* of a frame, mostly */
#define NGX_TECKEN_SYMBOLICATE_FRAME     384


static ngx_int_t ngx_tecken_symbolicate_first(
    ngx_tecken_symbolicate_ctx_t *ctx);
static void ngx_tecken_symbolicate_write_handler(ngx_http_request_t *r);
static ngx_int_t ngx_tecken_symbolicate_next(
    ngx_tecken_symbolicate_ctx_t *ctx);
static ngx_int_t ngx_tecken_symbolicate_output(
    ngx_tecken_symbolicate_ctx_t *ctx);
static void ngx_tecken_symbolicate_size(ngx_tecken_symbolicate_ctx_t *ctx);
static u_char *ngx_tecken_symbolicate_room(ngx_tecken_symbolicate_ctx_t *ctx,
    size_t size);
static void ngx_tecken_symbolicate_put_long(ngx_tecken_symbolicate_ctx_t *ctx,
    const tk_symcache_t *sc, uint32_t function, size_t len);


ngx_int_t
ngx_tecken_symbolicate_answer(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_tecken_symbolicate_size(ctx);

    ngx_tecken_symbolicate_slice(ctx);

    if (ctx->writer.failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_tecken_symbolicate_first(ctx);
}


static ngx_int_t
ngx_tecken_symbolicate_first(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_int_t                         rc;
    ngx_chain_t                      *cl;
    ngx_http_request_t               *r;
    ngx_tecken_symbolicate_writer_t  *w;

    r = ctx->request;
    w = &ctx->writer;

    ngx_tecken_symbolicate_count(ctx, NGX_TECKEN_SYMBOLICATE_ANSWERED);
    ctx->answered = 1;

    r->headers_out.status = NGX_HTTP_OK;

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    if (w->done) {
        r->headers_out.content_length_n = 0;

        for (cl = w->out; cl; cl = cl->next) {
            r->headers_out.content_length_n += ngx_buf_size(cl->buf);
        }
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (w->done) {
        ngx_tecken_symbolicate_release(ctx);
        return ngx_http_output_filter(r, w->out);
    }

    r->http_state = NGX_HTTP_WRITING_REQUEST_STATE;
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_tecken_symbolicate_write_handler;

    return ngx_tecken_symbolicate_output(ctx);
}


static void
ngx_tecken_symbolicate_write_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_event_t                   *wev;
    ngx_connection_t              *c;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_tecken_symbolicate_ctx_t  *ctx;

    c = r->connection;
    wev = c->write;

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "client timed out");
        c->timedout = 1;

        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (wev->delayed) {
        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

        if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_ERROR);
        }

        return;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_tecken_symbolicate_module);

    rc = ngx_tecken_symbolicate_next(ctx);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}


/* sends what is left of a slice, or else writes another */

static ngx_int_t
ngx_tecken_symbolicate_next(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_http_request_t               *r;
    ngx_tecken_symbolicate_writer_t  *w;

    r = ctx->request;
    w = &ctx->writer;

    if (w->busy || r->buffered || r->connection->buffered) {

        if (ngx_http_output_filter(r, NULL) == NGX_ERROR) {
            return NGX_ERROR;
        }

        ngx_chain_update_chains(r->pool, &w->free, &w->busy, &w->out,
                          (ngx_buf_tag_t) &ngx_tecken_symbolicate_module);
    }

    if (w->busy == NULL) {

        ngx_tecken_symbolicate_slice(ctx);

        if (w->failed) {
            return NGX_ERROR;
        }
    }

    return ngx_tecken_symbolicate_output(ctx);
}


/* NGX_DONE: the write handler goes on */

static ngx_int_t
ngx_tecken_symbolicate_output(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_int_t                         rc;
    ngx_event_t                      *wev;
    ngx_http_request_t               *r;
    ngx_http_core_loc_conf_t         *clcf;
    ngx_tecken_symbolicate_writer_t  *w;

    r = ctx->request;
    w = &ctx->writer;
    wev = r->connection->write;

    if (w->out) {

        rc = ngx_http_output_filter(r, w->out);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (w->done) {
            ngx_tecken_symbolicate_release(ctx);

            /* finalization sends what is left of it */
            return rc;
        }

        ngx_chain_update_chains(r->pool, &w->free, &w->busy, &w->out,
                          (ngx_buf_tag_t) &ngx_tecken_symbolicate_module);
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!wev->delayed) {

        /* also between slices: a quitting worker waits for timers only */

        ngx_add_timer(wev, clcf->send_timeout);

        if (w->busy == NULL) {

            /* the others first */

            ngx_post_event(wev, &ngx_posted_next_events);

            return NGX_DONE;
        }
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_DONE;
}


/* a small answer is to be one buffer */

static void
ngx_tecken_symbolicate_size(ngx_tecken_symbolicate_ctx_t *ctx)
{
    size_t        size;
    tk_symreq_t  *req;

    req = ctx->req;

    size = 256 + (req->nframes + req->nmap) * NGX_TECKEN_SYMBOLICATE_FRAME;

    ctx->writer.size = ngx_min(size, NGX_TECKEN_SYMBOLICATE_BUF_SIZE);
}


/* is it time to send what there is? */

ngx_uint_t
ngx_tecken_symbolicate_full(ngx_tecken_symbolicate_ctx_t *ctx)
{
    return ctx->writer.bufs > NGX_TECKEN_SYMBOLICATE_BUFS
           || ctx->writer.failed;
}


/* size bytes in one piece, not more than a buffer has */

static u_char *
ngx_tecken_symbolicate_room(ngx_tecken_symbolicate_ctx_t *ctx, size_t size)
{
    ngx_buf_t                        *b;
    ngx_chain_t                      *cl;
    ngx_tecken_symbolicate_writer_t  *w;

    w = &ctx->writer;
    b = w->buf;

    if (b && (size_t) (b->end - b->last) >= size) {
        return b->last;
    }

    if (w->failed) {
        return NULL;
    }

    cl = ngx_chain_get_free_buf(ctx->request->pool, &w->free);
    if (cl == NULL) {
        w->failed = 1;
        return NULL;
    }

    b = cl->buf;

    if (b->start == NULL) {

        b->start = ngx_palloc(ctx->request->pool, w->size);
        if (b->start == NULL) {
            w->failed = 1;
            return NULL;
        }

        b->end = b->start + w->size;
        b->tag = (ngx_buf_tag_t) &ngx_tecken_symbolicate_module;
        b->temporary = 1;
    }

    b->pos = b->start;
    b->last = b->start;
    b->flush = 0;
    b->last_buf = 0;
    b->last_in_chain = 0;

    *w->last = cl;
    w->last = &cl->next;
    w->buf = b;
    w->bufs++;

    return b->last;
}


void
ngx_tecken_symbolicate_begin(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_tecken_symbolicate_writer_t  *w;

    w = &ctx->writer;

    w->out = NULL;
    w->last = &w->out;
    w->buf = NULL;
    w->bufs = 0;
}


void
ngx_tecken_symbolicate_end(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_buf_t                        *b;
    ngx_tecken_symbolicate_writer_t  *w;

    w = &ctx->writer;

    *w->last = NULL;

    b = w->buf;

    if (b == NULL) {
        return;
    }

    b->last_in_chain = 1;

    if (w->done) {
        b->last_buf = (ctx->request == ctx->request->main) ? 1 : 0;

    } else {
        b->flush = 1;
    }
}


void
ngx_tecken_symbolicate_put(ngx_tecken_symbolicate_ctx_t *ctx,
    const void *data, size_t len)
{
    size_t         n;
    u_char        *p;
    ngx_buf_t     *b;
    const u_char  *text;

    b = ctx->writer.buf;

    if (b && (size_t) (b->end - b->last) >= len) {
        b->last = ngx_cpymem(b->last, data, len);
        return;
    }

    for (text = data; len; text += n, len -= n) {

        p = ngx_tecken_symbolicate_room(ctx, 1);
        if (p == NULL) {
            return;
        }

        b = ctx->writer.buf;

        n = ngx_min(len, (size_t) (b->end - p));
        b->last = ngx_cpymem(p, text, n);
    }
}


void
ngx_tecken_symbolicate_put_function(ngx_tecken_symbolicate_ctx_t *ctx,
    const tk_symcache_t *sc, uint32_t function)
{
    size_t   len, room;
    u_char  *p;

    p = ngx_tecken_symbolicate_room(ctx, 1);
    if (p == NULL) {
        return;
    }

    room = ctx->writer.buf->end - p;
    len = tk_symcache_function(sc, function, p, room);

    if (len > ctx->writer.size) {
        ngx_tecken_symbolicate_put_long(ctx, sc, function, len);
        return;
    }

    if (len > room) {

        p = ngx_tecken_symbolicate_room(ctx, len);
        if (p == NULL) {
            return;
        }

        len = tk_symcache_function(sc, function, p, len);
    }

    ctx->writer.buf->last = p + len;
}


/* it is made in one piece, and does not fit into a buffer */

static void
ngx_tecken_symbolicate_put_long(ngx_tecken_symbolicate_ctx_t *ctx,
    const tk_symcache_t *sc, uint32_t function, size_t len)
{
    ngx_tecken_symbolicate_writer_t  *w;

    w = &ctx->writer;

    if (w->name_size < len) {

        if (w->name) {
            (void) ngx_pfree(ctx->request->pool, w->name);
        }

        w->name_size = ngx_max(len, 2 * w->name_size);

        w->name = ngx_palloc(ctx->request->pool, w->name_size);
        if (w->name == NULL) {
            w->name_size = 0;
            w->failed = 1;
            return;
        }
    }

    len = tk_symcache_function(sc, function, w->name, len);

    ngx_tecken_symbolicate_put(ctx, w->name, len);
}


void
ngx_tecken_symbolicate_put_number(ngx_tecken_symbolicate_ctx_t *ctx,
    uint64_t n)
{
    u_char  *p, buf[NGX_INT64_LEN];

    p = buf + NGX_INT64_LEN;

    do {
        *--p = (u_char) (n % 10 + '0');
    } while (n /= 10);

    ngx_tecken_symbolicate_put(ctx, p, buf + NGX_INT64_LEN - p);
}


/* as Python's hex() */

void
ngx_tecken_symbolicate_put_hex(ngx_tecken_symbolicate_ctx_t *ctx, uint64_t n,
    ngx_uint_t negative)
{
    u_char  *p, buf[sizeof("-0x0123456789abcdef") - 1];

    static const u_char  hex[] = "0123456789abcdef";

    p = buf + sizeof(buf);

    do {
        *--p = hex[n & 0xf];
    } while (n >>= 4);

    *--p = 'x';
    *--p = '0';

    if (negative) {
        *--p = '-';
    }

    ngx_tecken_symbolicate_put(ctx, p, buf + sizeof(buf) - p);
}


/* seconds, as Python prints a float */

void
ngx_tecken_symbolicate_put_usec(ngx_tecken_symbolicate_ctx_t *ctx,
    uint64_t usec)
{
    u_char  *p, buf[NGX_INT64_LEN + sizeof(".000000")];

    p = ngx_sprintf(buf, "%uL.%06uL", usec / 1000000, usec % 1000000);

    while (p[-1] == '0' && p[-2] != '.') {
        p--;
    }

    ngx_tecken_symbolicate_put(ctx, buf, p - buf);
}
