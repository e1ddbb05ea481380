
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbuild_run.h>


/* the side of the threads: each run has its stage for itself */


static void ngx_tecken_symbuild_open(ngx_tecken_symbuild_t *b);
static void ngx_tecken_symbuild_parse(ngx_tecken_symbuild_t *b);
static void ngx_tecken_symbuild_save(ngx_tecken_symbuild_t *b);
static uint64_t ngx_tecken_symbuild_clock(clockid_t clock);


void
ngx_tecken_symbuild_run_inflate(ngx_tecken_task_t *task)
{
    ngx_tecken_symbuild_t *b = *(ngx_tecken_symbuild_t **) task->data;

    size_t                          used, len;
    uint64_t                        start;
    ngx_tecken_symbuf_t            *in, *out;
    ngx_tecken_symbuild_inflate_t  *s;

    s = &b->inflate;

    start = ngx_tecken_symbuild_clock(CLOCK_THREAD_CPUTIME_ID);

    while (!task->cancelled) {
        in = s->in.first;
        out = s->empty.first;

        if (out == NULL || (in == NULL && !s->more)) {
            break;
        }

        s->rc = tk_inflate_feed(s->z, in ? in->pos : (u_char *) "",
                                in ? (size_t) (in->last - in->pos) : 0, &used,
                                out->last, out->end - out->last, &len);

        if (s->rc == TK_INFLATE_ERROR) {
            break;
        }

        out->last += len;
        s->more = (out->last == out->end);

        if (in) {
            in->pos += used;

            if (in->pos == in->last) {
                ngx_tecken_symbufs_add(&s->used,
                                       ngx_tecken_symbufs_take(&s->in));
            }
        }

        if (s->more) {
            ngx_tecken_symbufs_add(&s->out,
                                   ngx_tecken_symbufs_take(&s->empty));
        }
    }

    if (s->empty.first && s->empty.first->last != s->empty.first->pos) {
        ngx_tecken_symbufs_add(&s->out, ngx_tecken_symbufs_take(&s->empty));
    }

    s->usec += ngx_tecken_symbuild_clock(CLOCK_THREAD_CPUTIME_ID) - start;
}


void
ngx_tecken_symbuild_run_step(ngx_tecken_task_t *task)
{
    ngx_tecken_symbuild_t *b = *(ngx_tecken_symbuild_t **) task->data;

    b->parse.rc = NGX_OK;

    switch (b->parse.step) {

    case NGX_TECKEN_SYMBUILD_OPEN:
        ngx_tecken_symbuild_open(b);
        break;

    case NGX_TECKEN_SYMBUILD_PARSE:
        ngx_tecken_symbuild_parse(b);
        break;

    case NGX_TECKEN_SYMBUILD_SAVE:
        ngx_tecken_symbuild_save(b);
        break;

    default: /* NGX_TECKEN_SYMBUILD_DISCARD */
        ngx_tecken_symbuild_discard(b);
        break;
    }
}


static void
ngx_tecken_symbuild_open(ngx_tecken_symbuild_t *b)
{
    ngx_tecken_symbuild_parse_t  *s;
    tk_symcache_build_conf_t      conf;

    s = &b->parse;

    s->rc = ngx_tecken_symcache_temp(&s->file, b->conf.log);

    if (s->rc != NGX_OK) {
        return;
    }

    s->opened = 1;

    ngx_memzero(&conf, sizeof(tk_symcache_build_conf_t));

    conf.fd = s->file.fd;
    conf.strict = b->conf.strict ? 1 : 0;
    conf.debug_id.len = b->conf.debug_id.len;
    conf.debug_id.data = b->conf.debug_id.data;
    conf.max_size = s->max_size;
    conf.max_memory = NGX_TECKEN_SYMBUILD_MEMORY;

    s->builder = tk_symcache_build_create(&conf);

    if (s->builder == NULL) {
        s->rc = NGX_ERROR;
    }
}


static void
ngx_tecken_symbuild_parse(ngx_tecken_symbuild_t *b)
{
    uint64_t                      start;
    tk_sym_rc_t                   rc;
    ngx_tecken_symbuf_t          *in;
    ngx_tecken_symbuild_parse_t  *s;

    s = &b->parse;
    rc = TK_SYM_OK;

    start = ngx_tecken_symbuild_clock(CLOCK_THREAD_CPUTIME_ID);

    while (s->in.first && rc == TK_SYM_OK && !s->task->cancelled) {

        in = ngx_tecken_symbufs_take(&s->in);

        rc = tk_symcache_build_feed(s->builder, in->pos, in->last - in->pos);

        ngx_tecken_symbufs_add(&s->used, in);
    }

    if ((rc == TK_SYM_DONE || (rc == TK_SYM_OK && s->last))
        && !s->task->cancelled)
    {
        rc = tk_symcache_build_finish(s->builder, &s->stat);
        s->done = 1;
    }

    s->rc = (rc == TK_SYM_ERROR) ? NGX_ERROR : NGX_OK;

    s->usec += ngx_tecken_symbuild_clock(CLOCK_THREAD_CPUTIME_ID) - start;
}


static void
ngx_tecken_symbuild_save(ngx_tecken_symbuild_t *b)
{
    uint64_t                      start;
    ngx_tecken_symbuild_parse_t  *s;

    s = &b->parse;

    start = ngx_tecken_symbuild_clock(CLOCK_MONOTONIC);

    tk_symcache_build_destroy(s->builder);
    s->builder = NULL;

    s->rc = ngx_tecken_symcache_commit(&s->file, b->conf.log);

    s->saved = (s->rc == NGX_OK);
    s->opened = 0;
    s->usec = ngx_tecken_symbuild_clock(CLOCK_MONOTONIC) - start;
}


void
ngx_tecken_symbuild_discard(ngx_tecken_symbuild_t *b)
{
    ngx_tecken_symbuild_parse_t  *s;

    s = &b->parse;

    tk_symcache_build_destroy(s->builder);
    s->builder = NULL;

    if (s->opened) {
        ngx_tecken_symcache_discard(&s->file, s->err, b->conf.log);
        s->opened = 0;
    }
}


static uint64_t
ngx_tecken_symbuild_clock(clockid_t clock)
{
    struct timespec  ts;

    (void) clock_gettime(clock, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


void
ngx_tecken_symbufs_add(ngx_tecken_symbufs_t *bufs, ngx_tecken_symbuf_t *buf)
{
    buf->next = NULL;

    if (bufs->last) {
        bufs->last->next = buf;

    } else {
        bufs->first = buf;
    }

    bufs->last = buf;
    bufs->n++;
}


ngx_tecken_symbuf_t *
ngx_tecken_symbufs_take(ngx_tecken_symbufs_t *bufs)
{
    ngx_tecken_symbuf_t  *buf;

    buf = bufs->first;
    bufs->first = buf->next;
    bufs->n--;

    if (bufs->first == NULL) {
        bufs->last = NULL;
    }

    return buf;
}


ngx_tecken_symbuf_t *
ngx_tecken_symbuf_get(ngx_tecken_symbuild_t *b)
{
    ngx_tecken_symbuf_t  *buf;

    if (b->free.n) {
        buf = ngx_tecken_symbufs_take(&b->free);

    } else {
        buf = ngx_alloc(sizeof(ngx_tecken_symbuf_t), b->conf.log);
        if (buf == NULL) {
            return NULL;
        }

        buf->end = buf->data + NGX_TECKEN_SYMBUF_SIZE;
    }

    buf->pos = buf->data;
    buf->last = buf->data;

    return buf;
}


void
ngx_tecken_symbufs_move(ngx_tecken_symbufs_t *to, ngx_tecken_symbufs_t *from)
{
    if (from->n == 0) {
        return;
    }

    if (to->last) {
        to->last->next = from->first;

    } else {
        to->first = from->first;
    }

    to->last = from->last;
    to->n += from->n;

    ngx_tecken_symbufs_init(from);
}


void
ngx_tecken_symbufs_free(ngx_tecken_symbufs_t *bufs)
{
    while (bufs->first) {
        ngx_free(ngx_tecken_symbufs_take(bufs));
    }
}
