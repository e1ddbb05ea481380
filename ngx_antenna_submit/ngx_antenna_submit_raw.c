
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_submit.h>


/*
 * The raw crash.  Most are a few kilobytes and written at once.  A large one
 * is printed in a thread, and written and hashed turn by turn.
 */


#define NGX_ANTENNA_RAW_INLINE  65536     /* bytes of annotations */


typedef struct {
    ngx_antenna_submit_ctx_t   *ctx;
    tk_raw_crash_t              raw;
    ngx_antenna_buf_t          *first;
    ngx_antenna_buf_t          *last;
    int                         rc;
} ngx_antenna_raw_t;


static size_t ngx_antenna_raw_size(ngx_antenna_submit_ctx_t *ctx);
static ngx_int_t ngx_antenna_raw_start(ngx_antenna_submit_ctx_t *ctx,
    tk_raw_crash_t *raw);
static void ngx_antenna_raw_run(ngx_tecken_task_t *task);
static int ngx_antenna_raw_append(void *data, const uint8_t *p, size_t len);
static void ngx_antenna_raw_done(ngx_tecken_task_t *task);
static void ngx_antenna_raw_turn(ngx_event_t *ev);
static void ngx_antenna_raw_resume(ngx_antenna_record_t *rec);
static void ngx_antenna_raw_next(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_raw_end(ngx_antenna_submit_ctx_t *ctx, ngx_int_t rc);


ngx_int_t
ngx_antenna_raw_write(ngx_antenna_submit_ctx_t *ctx, tk_raw_crash_t *raw)
{
    if (ngx_antenna_raw_size(ctx) > NGX_ANTENNA_RAW_INLINE) {
        return ngx_antenna_raw_start(ctx, raw);
    }

    if (tk_raw_crash_write(ctx->form.annotations, raw,
                           ngx_antenna_crash_write, ctx)
        != 0)
    {
        return ctx->failed;
    }

    return NGX_OK;
}


static size_t
ngx_antenna_raw_size(ngx_antenna_submit_ctx_t *ctx)
{
    size_t                  size;
    uint32_t                i, n;
    const tk_annotation_t  *a;

    n = tk_annotations_count(ctx->form.annotations);
    size = 0;

    for (i = 0; i < n; i++) {
        a = tk_annotations_get(ctx->form.annotations, i);
        size += a->name.len + a->value.len;
    }

    return size;
}


static ngx_int_t
ngx_antenna_raw_start(ngx_antenna_submit_ctx_t *ctx, tk_raw_crash_t *raw)
{
    ngx_tecken_task_t       *task;
    ngx_antenna_raw_t       *ar;
    ngx_tecken_main_conf_t  *tmcf;

    task = ngx_tecken_task_create(sizeof(ngx_antenna_raw_t), ngx_cycle->log);
    if (task == NULL) {
        return NGX_ERROR;
    }

    ar = task->data;
    ar->ctx = ctx;
    ar->raw = *raw;

    task->run = ngx_antenna_raw_run;
    task->done = ngx_antenna_raw_done;

    tmcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_tecken_common_module);

    if (ngx_tecken_task_post(tmcf->thread_pool, task, 1) != NGX_OK) {
        ngx_tecken_task_destroy(task);
        return NGX_ERROR;
    }

    /* the thread reads what the request's end frees */

    ctx->request->main->blocked++;

    ctx->printing = 1;
    ctx->next.handler = ngx_antenna_raw_turn;
    ctx->record->handler = ngx_antenna_raw_resume;

    return NGX_AGAIN;
}


static void
ngx_antenna_raw_run(ngx_tecken_task_t *task)
{
    ngx_antenna_raw_t *ar = task->data;

    ar->rc = tk_raw_crash_write(ar->ctx->form.annotations, &ar->raw,
                                ngx_antenna_raw_append, ar);
}


static int
ngx_antenna_raw_append(void *data, const uint8_t *p, size_t len)
{
    ngx_antenna_raw_t *ar = data;

    size_t              n;
    ngx_antenna_buf_t  *buf;

    while (len) {
        buf = ar->last;

        if (buf == NULL || buf->last == buf->data + NGX_ANTENNA_BUF) {

            buf = malloc(sizeof(ngx_antenna_buf_t));
            if (buf == NULL) {
                return -1;
            }

            buf->next = NULL;
            buf->last = buf->data;

            if (ar->last) {
                ar->last->next = buf;

            } else {
                ar->first = buf;
            }

            ar->last = buf;
        }

        n = ngx_min(len, (size_t) (buf->data + NGX_ANTENNA_BUF - buf->last));

        buf->last = ngx_cpymem(buf->last, p, n);
        p += n;
        len -= n;
    }

    return 0;
}


static void
ngx_antenna_raw_done(ngx_tecken_task_t *task)
{
    ngx_antenna_raw_t *ar = task->data;

    int                        rc;
    ngx_connection_t          *c;
    ngx_antenna_submit_ctx_t  *ctx;

    ctx = ar->ctx;
    ctx->out = ar->first;
    ctx->printing = 0;
    rc = ar->rc;

    ngx_tecken_task_destroy(task);

    c = ctx->request->connection;
    ngx_http_set_log_request(c->log, ctx->request);

    ctx->request->main->blocked--;

    /* the crash is whole: it is kept even if the client has gone */

    if (rc == 0) {
        ngx_antenna_raw_next(ctx);

    } else {
        ngx_antenna_raw_end(ctx, NGX_ERROR);
    }

    ngx_http_run_posted_requests(c);
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

    if (!ctx->printing && !ctx->next.posted) {
        ngx_antenna_raw_turn(&ctx->next);
    }
}


/* a buffer of it, more when others have had their turn */

static void
ngx_antenna_raw_next(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_int_t           rc;
    ngx_antenna_buf_t  *buf;

    buf = ctx->out;

    if (buf == NULL) {
        rc = ngx_antenna_crash_finish(ctx);

        if (rc != NGX_AGAIN) {
            ngx_antenna_raw_end(ctx, rc);
        }

        return;
    }

    rc = ngx_antenna_record_write(ctx->record, buf->data,
                                  buf->last - buf->data);

    ctx->out = buf->next;
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

    while (ctx->out) {
        buf = ctx->out;
        ctx->out = buf->next;
        free(buf);
    }
}
