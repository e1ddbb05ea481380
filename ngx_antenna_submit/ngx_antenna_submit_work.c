
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_submit.h>


/*
 * What takes its time: checks of large annotations, tests of rules that look
 * far, raw crashes.  A thread does it with what the request owns, which the
 * event loop does not touch meanwhile.
 */


typedef struct {
    ngx_antenna_submit_ctx_t   *ctx;
    ngx_antenna_work_pt         run;
    ngx_antenna_work_pt         done;
} ngx_antenna_work_t;


#define NGX_ANTENNA_WORK_FREE  (1024 * 1024)


static void ngx_antenna_work_run(ngx_tecken_task_t *task);
static void ngx_antenna_work_done(ngx_tecken_task_t *task);
static void ngx_antenna_work_destroy(ngx_tecken_task_t *task);


ngx_int_t
ngx_antenna_work(ngx_antenna_submit_ctx_t *ctx, ngx_antenna_work_pt run,
    ngx_antenna_work_pt done)
{
    ngx_tecken_task_t       *task;
    ngx_antenna_work_t      *work;
    ngx_tecken_main_conf_t  *tmcf;

    /* it may outlive what the connection logs to */

    task = ngx_tecken_task_create(sizeof(ngx_antenna_work_t), ngx_cycle->log);
    if (task == NULL) {
        return NGX_ERROR;
    }

    work = task->data;
    work->ctx = ctx;
    work->run = run;
    work->done = done;

    task->run = ngx_antenna_work_run;
    task->done = ngx_antenna_work_done;

    tmcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_tecken_common_module);

    if (ngx_tecken_task_post(tmcf->thread_pool, task, 1) != NGX_OK) {
        ngx_tecken_task_destroy(task);

        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "no thread for a large crash, the queue of "
                      "\"tecken_thread_pool\" is full");
        return NGX_ERROR;
    }

    /* whatever happens to the connection, the request waits for the thread */

    ctx->request->main->blocked++;
    ctx->working = 1;

    return NGX_OK;
}


static void
ngx_antenna_work_run(ngx_tecken_task_t *task)
{
    ngx_antenna_work_t *work = task->data;

    work->run(work->ctx);
}


static void
ngx_antenna_work_done(ngx_tecken_task_t *task)
{
    ngx_antenna_work_t *work = task->data;

    ngx_connection_t          *c;
    ngx_antenna_work_pt        done;
    ngx_antenna_submit_ctx_t  *ctx;

    ctx = work->ctx;
    done = work->done;

    ngx_tecken_task_destroy(task);

    c = ctx->request->connection;
    ngx_http_set_log_request(c->log, ctx->request);

    ctx->request->main->blocked--;
    ctx->working = 0;

    done(ctx);

    ngx_http_run_posted_requests(c);
}


/* the system takes a millisecond, and more, to take back tens of megabytes */

void
ngx_antenna_work_free(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_tecken_task_t       *task;
    tk_annotations_t        *annotations, **data;
    ngx_tecken_main_conf_t  *tmcf;

    annotations = ctx->form.annotations;

    if (tk_annotations_size(annotations) < NGX_ANTENNA_WORK_FREE) {
        return;
    }

    task = ngx_tecken_task_create(sizeof(tk_annotations_t *), ngx_cycle->log);
    if (task == NULL) {
        return;
    }

    data = task->data;
    *data = annotations;

    task->run = ngx_antenna_work_destroy;
    task->done = ngx_tecken_task_destroy;

    tmcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_tecken_common_module);

    if (ngx_tecken_task_post(tmcf->thread_pool, task, 1) != NGX_OK) {
        ngx_tecken_task_destroy(task);
        return;
    }

    ctx->form.annotations = NULL;
}


static void
ngx_antenna_work_destroy(ngx_tecken_task_t *task)
{
    tk_annotations_t **data = task->data;

    tk_annotations_destroy(*data);
}
