
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_submit.h>


#define NGX_ANTENNA_CHECK_TEXT  512


/*
 * The heartbeat's look at a spool: what a crash would do is done for a file
 * of a few bytes, which goes again.
 */


typedef struct {
    ngx_tecken_check_t          check;
    ngx_antenna_spool_t        *spool;
    u_char                      text[NGX_ANTENNA_CHECK_TEXT];
} ngx_antenna_check_t;


typedef struct {
    ngx_antenna_check_t        *check;
    ngx_antenna_spool_file_t    file;
} ngx_antenna_check_task_t;


static ngx_int_t ngx_antenna_check_add(ngx_conf_t *cf,
    ngx_tecken_heartbeat_t *heartbeat, ngx_antenna_spool_t *spool);
static ngx_int_t ngx_antenna_check_start(ngx_tecken_check_t *check);
static void ngx_antenna_check_run(ngx_tecken_task_t *task);
static void ngx_antenna_check_done(ngx_tecken_task_t *task);


ngx_int_t
ngx_antenna_checks_add(ngx_conf_t *cf, ngx_tecken_heartbeat_t *heartbeat,
    ngx_array_t *spools)
{
    ngx_uint_t             i;
    ngx_antenna_spool_t  **spool;

    spool = spools->elts;

    for (i = 0; i < spools->nelts; i++) {
        if (ngx_antenna_check_add(cf, heartbeat, spool[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_antenna_check_add(ngx_conf_t *cf, ngx_tecken_heartbeat_t *heartbeat,
    ngx_antenna_spool_t *spool)
{
    ngx_str_t            *name;
    ngx_antenna_check_t  *ac;

    ac = ngx_pcalloc(cf->pool, sizeof(ngx_antenna_check_t));
    if (ac == NULL) {
        return NGX_ERROR;
    }

    name = &ac->check.name;
    name->len = sizeof("spool:") - 1 + spool->path.len;

    name->data = ngx_pnalloc(cf->pool, name->len);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(name->data, "spool:%V", &spool->path);

    ac->spool = spool;
    ac->check.start = ngx_antenna_check_start;
    ac->check.data = ac;

    return ngx_tecken_heartbeat_add(heartbeat, &ac->check);
}


static ngx_int_t
ngx_antenna_check_start(ngx_tecken_check_t *check)
{
    ngx_antenna_check_t *ac = check->data;

    ngx_tecken_task_t         *task;
    ngx_antenna_spool_t       *spool;
    ngx_antenna_check_task_t  *at;

    spool = ac->spool;

    if (spool->max_size && (off_t) spool->sh->bytes >= spool->max_size) {
        ngx_str_set(&check->error, "antenna_spool_max_size is reached");
        return NGX_ERROR;
    }

    task = ngx_tecken_task_create(sizeof(ngx_antenna_check_task_t),
                                  ngx_cycle->log);
    if (task == NULL) {
        ngx_str_set(&check->error, "no memory");
        return NGX_ERROR;
    }

    at = task->data;
    at->check = ac;

    task->run = ngx_antenna_check_run;
    task->done = ngx_antenna_check_done;

    /* by a name that the mover sweeps up if the worker is killed meanwhile */

    if (ngx_antenna_file_init(&at->file, spool, 1, task->pool) != NGX_OK
        || ngx_tecken_task_post(spool->thread_pool, task, 0) != NGX_OK)
    {
        ngx_tecken_task_destroy(task);
        ngx_str_set(&check->error, "no memory, or the queue of the thread "
                                   "pool is full");
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static void
ngx_antenna_check_run(ngx_tecken_task_t *task)
{
    ngx_antenna_check_task_t *at = task->data;

    ngx_antenna_spool_file_t  *file;

    file = &at->file;

    if (ngx_antenna_file_open(file) != NGX_OK) {
        return;
    }

    if (ngx_write_fd(file->fd, file->name, 1) != 1) {
        file->error.err = ngx_errno;
        file->error.call = "write()";

    } else if (fsync(file->fd) == -1) {
        file->error.err = ngx_errno;
        file->error.call = "fsync()";
    }

    ngx_antenna_file_discard(file);
}


static void
ngx_antenna_check_done(ngx_tecken_task_t *task)
{
    ngx_antenna_check_task_t *at = task->data;

    u_char                    *p, *last;
    ngx_int_t                  rc;
    ngx_antenna_check_t       *ac;
    ngx_antenna_spool_file_t  *file;

    ac = at->check;
    file = &at->file;
    rc = NGX_OK;

    if (file->error.call) {
        rc = NGX_ERROR;

        p = ac->text;
        last = p + NGX_ANTENNA_CHECK_TEXT;

        if (file->full) {
            p = ngx_slprintf(p, last, "less than antenna_spool_min_free is "
                                      "free");

        } else {
            p = ngx_slprintf(p, last, "%s failed (%d: ", file->error.call,
                             file->error.err);
            p = ngx_strerror(file->error.err, p, last - p);
            p = ngx_slprintf(p, last, ")");
        }

        ac->check.error.data = ac->text;
        ac->check.error.len = p - ac->text;
    }

    ngx_tecken_task_destroy(task);

    ngx_tecken_check_done(&ac->check, rc);
}
