
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbuild_run.h>


/*
 * Buffers go from the source to the inflater, to the parser and back.  A stage
 * is given a batch of them and runs in a thread until it has no more to read
 * or nowhere to write; it never waits, so that a source that stalls holds no
 * thread.
 */


/* buffers of text */
#define NGX_TECKEN_SYMBUILD_TEXT   24

/* what one run of the inflater may fill */
#define NGX_TECKEN_SYMBUILD_BATCH  8


static void ngx_tecken_symbuild_sniff(ngx_tecken_symbuild_t *b);
static ngx_int_t ngx_tecken_symbuild_start(ngx_tecken_symbuild_t *b);
static ngx_tecken_task_t *ngx_tecken_symbuild_task(ngx_tecken_symbuild_t *b,
    ngx_tecken_task_handler_pt run, ngx_tecken_task_handler_pt done);
static ngx_int_t ngx_tecken_symbuild_kick_inflate(ngx_tecken_symbuild_t *b);
static ngx_int_t ngx_tecken_symbuild_kick_parse(ngx_tecken_symbuild_t *b);
static void ngx_tecken_symbuild_inflated(ngx_tecken_task_t *task);
static void ngx_tecken_symbuild_stepped(ngx_tecken_task_t *task);
static ngx_int_t ngx_tecken_symbuild_opened(ngx_tecken_symbuild_t *b);
static ngx_int_t ngx_tecken_symbuild_parsed(ngx_tecken_symbuild_t *b);
static void ngx_tecken_symbuild_recycle(ngx_tecken_symbuild_t *b);
static void ngx_tecken_symbuild_next(ngx_tecken_symbuild_t *b, ngx_int_t rc);
static void ngx_tecken_symbuild_errno(ngx_tecken_symbuild_t *b,
    ngx_err_t err);


/* NGX_ERROR: the build has failed, and nobody has been told */

ngx_int_t
ngx_tecken_symbuild_kick(ngx_tecken_symbuild_t *b)
{
    if (!b->sniffed) {
        ngx_tecken_symbuild_sniff(b);

        if (!b->sniffed) {
            return NGX_OK;
        }
    }

    if (!b->started && ngx_tecken_symbuild_start(b) != NGX_OK) {
        return NGX_ERROR;
    }

    if (b->gzip && ngx_tecken_symbuild_kick_inflate(b) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_tecken_symbuild_kick_parse(b);
}


/* a source may say gzip and send text, and the other way round */

static void
ngx_tecken_symbuild_sniff(ngx_tecken_symbuild_t *b)
{
    ngx_tecken_symbuf_t  *buf;

    buf = b->in.first;

    if (buf == NULL || buf->last - buf->pos < 2) {

        if (!b->eof) {
            return;
        }

    } else if (buf->pos[0] == 0x1f && buf->pos[1] == 0x8b) {
        b->gzip = 1;
        b->stat.gzip = 1;
    }

    b->sniffed = 1;
}


static ngx_int_t
ngx_tecken_symbuild_start(ngx_tecken_symbuild_t *b)
{
    b->started = 1;

    b->parse.task = ngx_tecken_symbuild_task(b, ngx_tecken_symbuild_run_step,
                                             ngx_tecken_symbuild_stepped);

    if (b->gzip) {
        b->inflate.z = tk_inflate_create(b->conf.max_symbols);
        b->inflate.task = ngx_tecken_symbuild_task(b,
                                             ngx_tecken_symbuild_run_inflate,
                                             ngx_tecken_symbuild_inflated);
    }

    if (b->parse.task == NULL
        || (b->gzip && (b->inflate.z == NULL || b->inflate.task == NULL)))
    {
        ngx_tecken_symbuild_failed(b, NGX_ERROR, "no memory");
        return NGX_ERROR;
    }

    return ngx_tecken_symbuild_step(b, NGX_TECKEN_SYMBUILD_OPEN);
}


static ngx_tecken_task_t *
ngx_tecken_symbuild_task(ngx_tecken_symbuild_t *b,
    ngx_tecken_task_handler_pt run, ngx_tecken_task_handler_pt done)
{
    ngx_tecken_task_t  *task;

    task = ngx_tecken_task_create(sizeof(ngx_tecken_symbuild_t *),
                                  b->conf.log);
    if (task == NULL) {
        return NULL;
    }

    *(ngx_tecken_symbuild_t **) task->data = b;

    task->run = run;
    task->done = done;

    return task;
}


static ngx_int_t
ngx_tecken_symbuild_kick_inflate(ngx_tecken_symbuild_t *b)
{
    ngx_tecken_symbuf_t            *buf;
    ngx_tecken_symbuild_inflate_t  *s;

    s = &b->inflate;

    if (b->inflating || b->inflated || b->full) {
        return NGX_OK;
    }

    ngx_tecken_symbufs_move(&s->in, &b->in);

    if (s->in.n == 0 && !s->more) {

        if (!b->eof) {
            return NGX_OK;
        }

        b->inflated = 1;

        if (s->rc != TK_INFLATE_END) {
            b->broken = "the gzip stream is cut short";
        }

        return NGX_OK;
    }

    while (s->empty.n < NGX_TECKEN_SYMBUILD_BATCH
           && b->ntext < NGX_TECKEN_SYMBUILD_TEXT)
    {
        buf = ngx_tecken_symbuf_get(b);

        if (buf == NULL) {
            ngx_tecken_symbuild_failed(b, NGX_ERROR, "no memory");
            return NGX_ERROR;
        }

        ngx_tecken_symbufs_add(&s->empty, buf);
        b->ntext++;
    }

    if (s->empty.n == 0) {
        return NGX_OK;
    }

    if (ngx_tecken_task_post(b->conf.pool, s->task, 1) != NGX_OK) {
        ngx_tecken_symbuild_failed(b, NGX_ERROR, "the thread pool is full");
        return NGX_ERROR;
    }

    b->inflating = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_symbuild_kick_parse(ngx_tecken_symbuild_t *b)
{
    ngx_tecken_symbuild_parse_t  *s;

    s = &b->parse;

    if (b->stepping || b->full) {
        return NGX_OK;
    }

    if (b->gzip) {
        ngx_tecken_symbufs_move(&s->in, &b->text);
        s->last = (b->inflated && b->broken == NULL);

    } else {
        ngx_tecken_symbufs_move(&s->in, &b->in);
        s->last = b->eof;
    }

    if (s->in.n || s->last) {
        return ngx_tecken_symbuild_step(b, NGX_TECKEN_SYMBUILD_PARSE);
    }

    if (b->broken == NULL) {
        return NGX_OK;
    }

    /* the text before the damage was not all that is needed */

    b->reason = (b->inflate.rc == TK_INFLATE_ERROR
                 && tk_inflate_code(b->inflate.z) == TK_INFLATE_LIMIT)
                ? NGX_TECKEN_SYMBUILD_TOO_LARGE : NGX_TECKEN_SYMBUILD_BAD;

    ngx_tecken_symbuild_failed(b, NGX_DECLINED, b->broken);

    return NGX_ERROR;
}


ngx_int_t
ngx_tecken_symbuild_step(ngx_tecken_symbuild_t *b,
    ngx_tecken_symbuild_step_e step)
{
    ngx_int_t  rc;

    b->parse.step = step;

    if (step == NGX_TECKEN_SYMBUILD_PARSE) {
        rc = ngx_tecken_task_post(b->conf.pool, b->parse.task, 1);

    } else {
        rc = ngx_tecken_task_post(b->conf.io_pool, b->parse.task, 0);
    }

    if (rc != NGX_OK) {
        ngx_tecken_symbuild_failed(b, NGX_ERROR, "the thread pool is full");
        return NGX_ERROR;
    }

    b->stepping = 1;

    return NGX_OK;
}


static void
ngx_tecken_symbuild_inflated(ngx_tecken_task_t *task)
{
    ngx_tecken_symbuild_t *b = *(ngx_tecken_symbuild_t **) task->data;

    ngx_tecken_symbuild_inflate_t  *s;

    s = &b->inflate;

    b->inflating = 0;
    b->stat.inflate_usec = s->usec;

    if (b->dead) {
        ngx_tecken_symbuild_reap(b);
        return;
    }

    b->nin -= s->used.n;
    ngx_tecken_symbufs_move(&b->free, &s->used);
    ngx_tecken_symbufs_move(&b->text, &s->out);

    if (b->rc != NGX_AGAIN || b->full) {
        return;
    }

    if (s->rc == TK_INFLATE_ERROR) {
        b->inflated = 1;
        b->broken = tk_inflate_error(s->z);
    }

    ngx_tecken_symbuild_next(b, ngx_tecken_symbuild_kick(b));
}


static void
ngx_tecken_symbuild_stepped(ngx_tecken_task_t *task)
{
    ngx_tecken_symbuild_t *b = *(ngx_tecken_symbuild_t **) task->data;

    ngx_int_t  rc;

    b->stepping = 0;

    if (b->dead) {
        ngx_tecken_symbuild_reap(b);
        return;
    }

    if (b->rc != NGX_AGAIN) {
        return;
    }

    switch (b->parse.step) {

    case NGX_TECKEN_SYMBUILD_OPEN:
        rc = ngx_tecken_symbuild_opened(b);
        break;

    case NGX_TECKEN_SYMBUILD_PARSE:
        rc = ngx_tecken_symbuild_parsed(b);
        break;

    default: /* NGX_TECKEN_SYMBUILD_SAVE */

        b->stat.save_usec = b->parse.usec;

        if (b->parse.rc == NGX_OK) {
            b->ref = ngx_tecken_symcache_finish(&b->parse.file);
            b->rc = NGX_OK;
            b->conf.handler(b);
            return;
        }

        ngx_tecken_symbuild_failed(b, NGX_ERROR,
                                   "the symcache could not be stored");
        rc = NGX_ERROR;
        break;
    }

    ngx_tecken_symbuild_next(b, rc);
}


static ngx_int_t
ngx_tecken_symbuild_opened(ngx_tecken_symbuild_t *b)
{
    if (b->parse.rc != NGX_OK) {
        ngx_tecken_symbuild_failed(b, NGX_ERROR, b->parse.opened
                                                 ? "no memory"
                                                 : "no temporary file");
        return NGX_ERROR;
    }

    return ngx_tecken_symbuild_kick(b);
}


static ngx_int_t
ngx_tecken_symbuild_parsed(ngx_tecken_symbuild_t *b)
{
    tk_sym_error_t                code;
    ngx_tecken_symbuild_parse_t  *s;

    s = &b->parse;

    ngx_tecken_symbuild_recycle(b);

    if (s->rc != NGX_OK) {

        code = tk_symcache_build_code(s->builder);

        switch (code) {

        case TK_SYM_EMALFORMED:
            b->reason = NGX_TECKEN_SYMBUILD_BAD;
            break;

        case TK_SYM_EID:
            b->reason = NGX_TECKEN_SYMBUILD_OTHER_ID;
            break;

        case TK_SYM_ELIMIT:
            b->reason = NGX_TECKEN_SYMBUILD_TOO_LARGE;
            break;

        default: /* TK_SYM_EOUTPUT, TK_SYM_ENOMEM */
            s->err = (code == TK_SYM_EOUTPUT)
                     ? tk_symcache_build_errno(s->builder) : 0;
            break;
        }

        ngx_tecken_symbuild_failed(b, b->reason ? NGX_DECLINED : NGX_ERROR,
                                   tk_symcache_build_error(s->builder));

        if (s->err) {
            ngx_tecken_symbuild_errno(b, s->err);
        }

        return NGX_ERROR;
    }

    if (!s->done) {
        return ngx_tecken_symbuild_kick(b);
    }

    b->full = 1;
    b->stat.size = s->stat.size;
    b->stat.dropped = s->stat.dropped;

    if (b->inflating) {
        (void) ngx_atomic_cmp_set(&b->inflate.task->cancelled, 0, 1);
    }

    s->usec = 0;

    if (ngx_tecken_symbuild_step(b, NGX_TECKEN_SYMBUILD_SAVE) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_DONE;
}


/* what has been parsed is free for the stage that it came from */

static void
ngx_tecken_symbuild_recycle(ngx_tecken_symbuild_t *b)
{
    ngx_tecken_symbuf_t          *buf;
    ngx_tecken_symbuild_parse_t  *s;

    s = &b->parse;

    for (buf = s->used.first; buf; buf = buf->next) {
        b->stat.text += buf->last - buf->pos;
    }

    b->stat.parse_usec = s->usec;

    if (b->gzip) {
        b->ntext -= s->used.n;

    } else {
        b->nin -= s->used.n;
    }

    ngx_tecken_symbufs_move(&b->free, &s->used);
}


/* the end of a task's handler: who made the build is told what there is */

static void
ngx_tecken_symbuild_next(ngx_tecken_symbuild_t *b, ngx_int_t rc)
{
    if (rc == NGX_ERROR) {
        b->conf.handler(b);

    } else if (rc == NGX_DONE) {
        b->conf.enough(b);

    } else if (b->paused && b->nin <= NGX_TECKEN_SYMBUILD_IN / 2) {
        b->paused = 0;
        b->conf.resume(b);
    }
}


void
ngx_tecken_symbuild_failed(ngx_tecken_symbuild_t *b, ngx_int_t rc,
    const char *error)
{
    b->rc = rc;

    /* the builder's goes with it */

    (void) ngx_cpystrn(b->error, (u_char *) error, sizeof(b->error));
}


static void
ngx_tecken_symbuild_errno(ngx_tecken_symbuild_t *b, ngx_err_t err)
{
    u_char  *p, *last;

    last = b->error + sizeof(b->error) - 1;

    p = b->error + ngx_strlen(b->error);
    p = ngx_slprintf(p, last, " (%d: ", err);

    if (p < last) {
        p = ngx_strerror(err, p, last - p);
    }

    p = ngx_slprintf(p, last, ")");
    *p = '\0';
}
