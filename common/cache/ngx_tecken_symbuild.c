
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbuild_run.h>


/*
 * The side of the event loop: buffers go from the source to the inflater, to
 * the parser and back.  A stage is given a batch of them and runs in a thread
 * until it has no more to read or nowhere to write; it never waits, so that a
 * source that stalls holds no thread.
 */


/* bytes of the source that wait, in buffers of 64 KiB, and of text */
#define NGX_TECKEN_SYMBUILD_IN      8
#define NGX_TECKEN_SYMBUILD_TEXT    24

/* what one run of the inflater may fill */
#define NGX_TECKEN_SYMBUILD_BATCH   8


/* of this worker */
static ngx_queue_t  ngx_tecken_symbuilds;


static ngx_int_t ngx_tecken_symbuild_start(ngx_tecken_symbuild_t *b);
static ngx_tecken_task_t *ngx_tecken_symbuild_task(ngx_tecken_symbuild_t *b,
    ngx_tecken_task_handler_pt run, ngx_tecken_task_handler_pt done);
static ngx_int_t ngx_tecken_symbuild_append(ngx_tecken_symbuild_t *b,
    u_char *data, size_t len);
static void ngx_tecken_symbuild_sniff(ngx_tecken_symbuild_t *b);
static ngx_int_t ngx_tecken_symbuild_kick(ngx_tecken_symbuild_t *b);
static ngx_int_t ngx_tecken_symbuild_kick_inflate(ngx_tecken_symbuild_t *b);
static ngx_int_t ngx_tecken_symbuild_kick_parse(ngx_tecken_symbuild_t *b);
static void ngx_tecken_symbuild_recycle(ngx_tecken_symbuild_t *b);
static void ngx_tecken_symbuild_inflated(ngx_tecken_task_t *task);
static void ngx_tecken_symbuild_stepped(ngx_tecken_task_t *task);
static ngx_int_t ngx_tecken_symbuild_opened(ngx_tecken_symbuild_t *b);
static ngx_int_t ngx_tecken_symbuild_parsed(ngx_tecken_symbuild_t *b);
static ngx_int_t ngx_tecken_symbuild_step(ngx_tecken_symbuild_t *b,
    ngx_tecken_symbuild_step_e step);
static void ngx_tecken_symbuild_failed(ngx_tecken_symbuild_t *b,
    ngx_int_t rc, const char *error);
static void ngx_tecken_symbuild_errno(ngx_tecken_symbuild_t *b,
    ngx_err_t err);
static void ngx_tecken_symbuild_next(ngx_tecken_symbuild_t *b, ngx_int_t rc);
static void ngx_tecken_symbuild_reap(ngx_tecken_symbuild_t *b);
static void ngx_tecken_symbuild_free(ngx_tecken_symbuild_t *b);
static ngx_tecken_symbuf_t *ngx_tecken_symbuf_get(ngx_tecken_symbuild_t *b);
static void ngx_tecken_symbufs_move(ngx_tecken_symbufs_t *to,
    ngx_tecken_symbufs_t *from);
static void ngx_tecken_symbufs_free(ngx_tecken_symbufs_t *bufs);


ngx_tecken_symbuild_t *
ngx_tecken_symbuild_create(ngx_tecken_symbuild_conf_t *conf)
{
    ngx_tecken_symbuild_t         *b;
    ngx_tecken_symcache_status_t   status;

    b = ngx_calloc(sizeof(ngx_tecken_symbuild_t) + conf->debug_id.len,
                   conf->log);
    if (b == NULL) {
        return NULL;
    }

    b->conf = *conf;
    b->rc = NGX_AGAIN;

    b->conf.debug_id.data = b->id;
    ngx_memcpy(b->id, conf->debug_id.data, conf->debug_id.len);

    ngx_tecken_symbufs_init(&b->in);
    ngx_tecken_symbufs_init(&b->text);
    ngx_tecken_symbufs_init(&b->free);

    ngx_tecken_symbufs_init(&b->inflate.in);
    ngx_tecken_symbufs_init(&b->inflate.used);
    ngx_tecken_symbufs_init(&b->inflate.empty);
    ngx_tecken_symbufs_init(&b->inflate.out);

    ngx_tecken_symbufs_init(&b->parse.in);
    ngx_tecken_symbufs_init(&b->parse.used);

    ngx_tecken_symcache_status(conf->path, &status);
    b->parse.max_size = status.max_size;

    ngx_tecken_symcache_begin(conf->path, conf->key, &b->parse.file);

    if (ngx_tecken_symbuilds.next == NULL) {
        ngx_queue_init(&ngx_tecken_symbuilds);
    }

    ngx_queue_insert_tail(&ngx_tecken_symbuilds, &b->queue);

    return b;
}


/* the pools have run all their tasks, nobody has been told */

void
ngx_tecken_symbuild_exit_worker(void)
{
    ngx_queue_t            *q;
    ngx_tecken_symbuild_t  *b;

    if (ngx_tecken_symbuilds.next == NULL) {
        return;
    }

    q = ngx_queue_head(&ngx_tecken_symbuilds);

    while (q != ngx_queue_sentinel(&ngx_tecken_symbuilds)) {
        b = ngx_queue_data(q, ngx_tecken_symbuild_t, queue);
        q = ngx_queue_next(q);

        ngx_tecken_symbuild_free(b);
    }
}


ngx_int_t
ngx_tecken_symbuild_feed(ngx_tecken_symbuild_t *b, u_char *data, size_t len)
{
    if (b->rc != NGX_AGAIN) {
        return (b->rc == NGX_OK) ? NGX_DONE : NGX_ERROR;
    }

    if (b->full) {
        return NGX_DONE;
    }

    b->stat.fed += len;

    /* what is larger than its text may be is none that gzip has made */

    if (b->stat.fed > b->conf.max_symbols) {
        b->reason = NGX_TECKEN_SYMBUILD_TOO_LARGE;
        ngx_tecken_symbuild_failed(b, NGX_DECLINED, "too large");
        return NGX_ERROR;
    }

    if (ngx_tecken_symbuild_append(b, data, len) != NGX_OK
        || ngx_tecken_symbuild_kick(b) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (b->nin >= NGX_TECKEN_SYMBUILD_IN) {
        b->paused = 1;
        return NGX_AGAIN;
    }

    return NGX_OK;
}


ngx_int_t
ngx_tecken_symbuild_finish(ngx_tecken_symbuild_t *b)
{
    if (b->rc != NGX_AGAIN) {
        return NGX_ERROR;
    }

    b->eof = 1;

    return ngx_tecken_symbuild_kick(b) == NGX_OK ? NGX_AGAIN : NGX_ERROR;
}


ngx_int_t
ngx_tecken_symbuild_result(ngx_tecken_symbuild_t *b,
    ngx_tecken_symcache_ref_t **ref, ngx_tecken_symbuild_reason_e *reason,
    ngx_str_t *error)
{
    if (b->rc == NGX_OK && ref) {
        *ref = b->ref;
        ngx_tecken_symcache_hold(b->ref);
    }

    *reason = b->reason;

    error->len = ngx_strlen(b->error);
    error->data = b->error;

    return b->rc;
}


void *
ngx_tecken_symbuild_data(ngx_tecken_symbuild_t *b)
{
    return b->conf.data;
}


void
ngx_tecken_symbuild_stat(ngx_tecken_symbuild_t *b,
    ngx_tecken_symbuild_stat_t *stat)
{
    *stat = b->stat;
}


void
ngx_tecken_symbuild_destroy(ngx_tecken_symbuild_t *b)
{
    b->dead = 1;

    if (b->inflating) {
        (void) ngx_atomic_cmp_set(&b->inflate.task->cancelled, 0, 1);
    }

    if (b->stepping) {
        (void) ngx_atomic_cmp_set(&b->parse.task->cancelled, 0, 1);
    }

    ngx_tecken_symbuild_reap(b);
}


static ngx_int_t
ngx_tecken_symbuild_append(ngx_tecken_symbuild_t *b, u_char *data, size_t len)
{
    size_t                 n;
    ngx_tecken_symbuf_t   *buf;

    while (len) {
        buf = b->in.last;

        if (buf == NULL || buf->last == buf->end) {

            buf = ngx_tecken_symbuf_get(b);

            if (buf == NULL) {
                ngx_tecken_symbuild_failed(b, NGX_ERROR, "no memory");
                return NGX_ERROR;
            }

            ngx_tecken_symbufs_add(&b->in, buf);
            b->nin++;
        }

        n = ngx_min(len, (size_t) (buf->end - buf->last));

        buf->last = ngx_cpymem(buf->last, data, n);
        data += n;
        len -= n;
    }

    return NGX_OK;
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


/* NGX_ERROR: the build has failed, and nobody has been told */

static ngx_int_t
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


static ngx_int_t
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


static void
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


static void
ngx_tecken_symbuild_reap(ngx_tecken_symbuild_t *b)
{
    if (b->inflating || b->stepping) {
        return;
    }

    if (b->parse.opened) {

        b->parse.task->cancelled = 0;

        if (ngx_tecken_symbuild_step(b, NGX_TECKEN_SYMBUILD_DISCARD)
            == NGX_OK)
        {
            return;
        }
    }

    ngx_tecken_symbuild_free(b);
}


static void
ngx_tecken_symbuild_free(ngx_tecken_symbuild_t *b)
{
    /* two system calls on the loop are better than a file that is left */

    ngx_tecken_symbuild_discard(b);

    if (b->parse.saved && b->ref == NULL) {
        b->ref = ngx_tecken_symcache_finish(&b->parse.file);
    }

    if (b->ref) {
        ngx_tecken_symcache_close(b->ref);
    }

    ngx_queue_remove(&b->queue);

    if (b->parse.task) {
        ngx_tecken_task_destroy(b->parse.task);
    }

    if (b->inflate.task) {
        ngx_tecken_task_destroy(b->inflate.task);
    }

    if (b->inflate.z) {
        tk_inflate_destroy(b->inflate.z);
    }

    ngx_tecken_symbufs_free(&b->in);
    ngx_tecken_symbufs_free(&b->text);
    ngx_tecken_symbufs_free(&b->free);

    ngx_tecken_symbufs_free(&b->inflate.in);
    ngx_tecken_symbufs_free(&b->inflate.used);
    ngx_tecken_symbufs_free(&b->inflate.empty);
    ngx_tecken_symbufs_free(&b->inflate.out);

    ngx_tecken_symbufs_free(&b->parse.in);
    ngx_tecken_symbufs_free(&b->parse.used);

    ngx_free(b);
}


static ngx_tecken_symbuf_t *
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


static void
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


static void
ngx_tecken_symbufs_free(ngx_tecken_symbufs_t *bufs)
{
    while (bufs->first) {
        ngx_free(ngx_tecken_symbufs_take(bufs));
    }
}
