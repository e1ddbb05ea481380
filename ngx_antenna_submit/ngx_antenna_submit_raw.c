
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_submit.h>


/*
 * The raw crash.  Most are a few kilobytes and written at once.  A large one
 * is printed in a thread, and written and hashed turn by turn: a piece of it,
 * and the next one when that is written, so that what is printed never takes
 * more than a piece of memory.
 */


#define NGX_ANTENNA_RAW_INLINE  32768     /* bytes of annotations */
#define NGX_ANTENNA_RAW_PIECE   (4 * NGX_ANTENNA_BUF)


struct ngx_antenna_raw_s {
    ngx_antenna_submit_ctx_t   *ctx;
    tk_raw_crash_t              crash;
    tk_raw_writer_t             writer;
    ngx_antenna_buf_t          *first;        /* malloc()ed, to be written */
    ngx_antenna_buf_t          *last;
};


static ngx_int_t ngx_antenna_raw_start(ngx_antenna_submit_ctx_t *ctx,
    tk_raw_crash_t *crash);
static ngx_int_t ngx_antenna_raw_piece(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_raw_run(ngx_antenna_submit_ctx_t *ctx);
static int ngx_antenna_raw_append(void *data, const uint8_t *p, size_t len);
static void ngx_antenna_raw_done(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_raw_turn(ngx_event_t *ev);
static void ngx_antenna_raw_resume(ngx_antenna_record_t *rec);
static void ngx_antenna_raw_next(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_raw_end(ngx_antenna_submit_ctx_t *ctx, ngx_int_t rc);


ngx_int_t
ngx_antenna_raw_write(ngx_antenna_submit_ctx_t *ctx, tk_raw_crash_t *crash)
{
    if (tk_annotations_size(ctx->form.annotations)
        > NGX_ANTENNA_RAW_INLINE)
    {
        return ngx_antenna_raw_start(ctx, crash);
    }

    if (tk_raw_crash_write(ctx->form.annotations, crash,
                           ngx_antenna_crash_write, ctx)
        != 0)
    {
        return ctx->failed;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_antenna_raw_start(ngx_antenna_submit_ctx_t *ctx, tk_raw_crash_t *crash)
{
    ngx_antenna_raw_t  *raw;

    raw = ngx_pcalloc(ctx->request->pool, sizeof(ngx_antenna_raw_t));
    if (raw == NULL) {
        return NGX_ERROR;
    }

    raw->ctx = ctx;
    raw->crash = *crash;

    tk_raw_writer_init(&raw->writer, ctx->form.annotations, &raw->crash);

    ctx->raw = raw;
    ctx->next.handler = ngx_antenna_raw_turn;
    ctx->record->handler = ngx_antenna_raw_resume;

    return ngx_antenna_raw_piece(ctx);
}


static ngx_int_t
ngx_antenna_raw_piece(ngx_antenna_submit_ctx_t *ctx)
{
    ctx->raw->last = NULL;

    return ngx_antenna_work(ctx, ngx_antenna_raw_run, ngx_antenna_raw_done)
           == NGX_OK ? NGX_AGAIN : NGX_ERROR;
}


static void
ngx_antenna_raw_run(ngx_antenna_submit_ctx_t *ctx)
{
    (void) tk_raw_writer_next(&ctx->raw->writer, NGX_ANTENNA_RAW_PIECE,
                              ngx_antenna_raw_append, ctx->raw);
}


static int
ngx_antenna_raw_append(void *data, const uint8_t *p, size_t len)
{
    ngx_antenna_raw_t *raw = data;

    size_t              n;
    ngx_antenna_buf_t  *buf;

    while (len) {
        buf = raw->last;

        if (buf == NULL || buf->last == buf->data + NGX_ANTENNA_BUF) {

            buf = malloc(sizeof(ngx_antenna_buf_t));
            if (buf == NULL) {
                return -1;
            }

            buf->next = NULL;
            buf->last = buf->data;

            if (raw->last) {
                raw->last->next = buf;

            } else {
                raw->first = buf;
            }

            raw->last = buf;
        }

        n = ngx_min(len, (size_t) (buf->data + NGX_ANTENNA_BUF - buf->last));

        buf->last = ngx_cpymem(buf->last, p, n);
        p += n;
        len -= n;
    }

    return 0;
}


static void
ngx_antenna_raw_done(ngx_antenna_submit_ctx_t *ctx)
{
    /* the crash is whole: it is kept even if the client has gone */

    if (ctx->raw->writer.rc == 0) {
        ngx_antenna_raw_next(ctx);

    } else {
        ngx_antenna_raw_end(ctx, NGX_ERROR);
    }
}


static void
ngx_antenna_raw_turn(ngx_event_t *ev)
{
    ngx_antenna_submit_ctx_t *ctx = ev->data;

    ngx_connection_t  *c;

    c = ctx->request->connection;
    ngx_http_set_log_request(c->log, ctx->request);

    ngx_antenna_raw_next(ctx);

    ngx_http_run_posted_requests(c);
}


static void
ngx_antenna_raw_resume(ngx_antenna_record_t *rec)
{
    ngx_antenna_submit_ctx_t *ctx = rec->data;

    /* what it had to wait for may have been the end of a dump */

    if (!ctx->working && !ctx->next.posted) {
        ngx_antenna_raw_turn(&ctx->next);
    }
}


/* a buffer of it, more when others have had their turn */

static void
ngx_antenna_raw_next(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_int_t           rc;
    ngx_antenna_raw_t  *raw;
    ngx_antenna_buf_t  *buf;

    raw = ctx->raw;
    buf = raw->first;

    if (buf == NULL) {
        rc = raw->writer.done ? ngx_antenna_crash_finish(ctx)
                              : ngx_antenna_raw_piece(ctx);

        if (rc != NGX_AGAIN) {
            ngx_antenna_raw_end(ctx, rc);
        }

        return;
    }

    rc = ngx_antenna_record_write(ctx->record, buf->data,
                                  buf->last - buf->data);

    raw->first = buf->next;
    free(buf);

    if (rc == NGX_OK) {
        ngx_post_event(&ctx->next, &ngx_posted_next_events);

    } else if (rc != NGX_AGAIN) {
        ngx_antenna_raw_end(ctx, rc);
    }
}


static void
ngx_antenna_raw_end(ngx_antenna_submit_ctx_t *ctx, ngx_int_t rc)
{
    rc = ngx_antenna_crash_failed(ctx, rc);

    ngx_http_finalize_request(ctx->request, rc);
}


void
ngx_antenna_raw_free(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_antenna_buf_t  *buf;

    while (ctx->raw && ctx->raw->first) {
        buf = ctx->raw->first;
        ctx->raw->first = buf->next;
        free(buf);
    }
}
