
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbuild_run.h>


/* what the maker of a build calls: the beginning, the bytes, the end */


/* of this worker */
static ngx_queue_t  ngx_tecken_symbuilds;
static ngx_uint_t   ngx_tecken_symbuild_exiting;


static ngx_int_t ngx_tecken_symbuild_append(ngx_tecken_symbuild_t *b,
    u_char *data, size_t len);
static void ngx_tecken_symbuild_free(ngx_tecken_symbuild_t *b);


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


/* the pools have run all their tasks and are gone, nobody has been told */

void
ngx_tecken_symbuild_exit_worker(void)
{
    ngx_queue_t            *q;
    ngx_tecken_symbuild_t  *b;

    ngx_tecken_symbuild_exiting = 1;

    if (ngx_tecken_symbuilds.next == NULL) {
        return;
    }

    q = ngx_queue_head(&ngx_tecken_symbuilds);

    while (q != ngx_queue_sentinel(&ngx_tecken_symbuilds)) {
        b = ngx_queue_data(q, ngx_tecken_symbuild_t, queue);
        q = ngx_queue_next(q);

        /* the others are destroyed by who made them */

        if (b->dead) {
            ngx_tecken_symbuild_free(b);
        }
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

    if (ngx_tecken_symbuild_exiting) {
        ngx_tecken_symbuild_free(b);
        return;
    }

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


void
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
