
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_offload.h>

#include <sys/resource.h>
#include <sys/syscall.h>


#define NGX_TECKEN_TASK_POOL_SIZE  1024
#define NGX_TECKEN_TASK_PRIORITY   15


static void ngx_tecken_task_run(void *data, ngx_log_t *log);
static void ngx_tecken_task_done(ngx_event_t *ev);
static void ngx_tecken_task_hold(ngx_event_t *ev);


/* an answer in a thread must not wait for a parse in another */
static __thread ngx_uint_t  ngx_tecken_thread_niced;

/* debug logs of events look for the fd of a connection */
static ngx_connection_t  ngx_tecken_task_dummy = { .fd = (ngx_socket_t) -1 };


ngx_tecken_task_t *
ngx_tecken_task_create(size_t size, ngx_log_t *log)
{
    ngx_pool_t         *pool;
    ngx_tecken_task_t  *task;

    pool = ngx_create_pool(NGX_TECKEN_TASK_POOL_SIZE, log);
    if (pool == NULL) {
        return NULL;
    }

    task = ngx_pcalloc(pool, sizeof(ngx_tecken_task_t));
    if (task == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    task->data = ngx_pcalloc(pool, size);
    if (task->data == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    task->pool = pool;

    task->task.ctx = task;
    task->task.handler = ngx_tecken_task_run;
    task->task.event.data = task;
    task->task.event.handler = ngx_tecken_task_done;
    task->task.event.log = log;

    task->hold.data = &ngx_tecken_task_dummy;
    task->hold.handler = ngx_tecken_task_hold;
    task->hold.log = log;

    return task;
}


ngx_int_t
ngx_tecken_task_post(ngx_thread_pool_t *tp, ngx_tecken_task_t *task,
    ngx_uint_t nice)
{
    task->nice = nice;

    if (ngx_thread_task_post(tp, &task->task) != NGX_OK) {
        return NGX_ERROR;
    }

    task->posted = 1;

    /* a quitting worker waits for timers only */
    ngx_add_timer(&task->hold, 60000);

    return NGX_OK;
}


void
ngx_tecken_task_cancel(ngx_tecken_task_t *task)
{
    if (!task->posted) {
        ngx_tecken_task_destroy(task);
        return;
    }

    task->done = NULL;

    (void) ngx_atomic_cmp_set(&task->cancelled, 0, 1);
}


void
ngx_tecken_task_destroy(ngx_tecken_task_t *task)
{
    if (task->hold.timer_set) {
        ngx_del_timer(&task->hold);
    }

    ngx_destroy_pool(task->pool);
}


static void
ngx_tecken_task_run(void *data, ngx_log_t *log)
{
    ngx_tecken_task_t  *task = data;

    if (task->nice && !ngx_tecken_thread_niced) {
        ngx_tecken_thread_niced = 1;

        if (setpriority(PRIO_PROCESS, (id_t) syscall(SYS_gettid),
                        NGX_TECKEN_TASK_PRIORITY)
            == -1)
        {
            ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                          "setpriority(%d) failed", NGX_TECKEN_TASK_PRIORITY);
        }
    }

    if (!task->cancelled) {
        task->run(task);
    }
}


static void
ngx_tecken_task_done(ngx_event_t *ev)
{
    ngx_tecken_task_t  *task = ev->data;

    task->posted = 0;

    if (task->hold.timer_set) {
        ngx_del_timer(&task->hold);
    }

    if (task->done == NULL) {
        ngx_tecken_task_destroy(task);
        return;
    }

    task->done(task);
}


static void
ngx_tecken_task_hold(ngx_event_t *ev)
{
    ngx_add_timer(ev, 60000);
}
