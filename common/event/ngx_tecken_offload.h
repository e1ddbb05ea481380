
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_OFFLOAD_H_INCLUDED_
#define _NGX_TECKEN_OFFLOAD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_thread_pool.h>


typedef struct ngx_tecken_task_s  ngx_tecken_task_t;

typedef void (*ngx_tecken_task_handler_pt)(ngx_tecken_task_t *task);


struct ngx_tecken_task_s {
    ngx_pool_t                   *pool;      /* of its own */
    void                         *data;      /* the caller's, from pool */

    ngx_tecken_task_handler_pt    run;       /* in a thread */
    ngx_tecken_task_handler_pt    done;      /* in the event loop */

    /* set by ngx_tecken_task_cancel(), polled by run() every 64 KiB or so */
    ngx_atomic_t                  cancelled;

    /* private */
    ngx_thread_task_t             task;
    ngx_event_t                   hold;      /* keeps a quitting worker */
    unsigned                      posted:1;
    unsigned                      nice:1;
};


/*
 * A task with memory of its own: size zeroed bytes in task->data, and
 * task->pool for more, which only the event loop may use before the post and
 * after done(), and only run() in between.  Returns NULL when out of memory.
 */
ngx_tecken_task_t *ngx_tecken_task_create(size_t size, ngx_log_t *log);

/*
 * Queues task->run; nice lowers the priority of the thread for good, so a
 * pool is either for CPU work (nice 1) or for disk work (nice 0).  Returns
 * NGX_OK, or NGX_ERROR when the queue is full: the caller still owns the
 * task then.  After NGX_OK done() is called once, unless cancelled; it owns
 * the task and ends with ngx_tecken_task_destroy(), or posts it again.
 */
ngx_int_t ngx_tecken_task_post(ngx_thread_pool_t *tp, ngx_tecken_task_t *task,
    ngx_uint_t nice);

/*
 * The caller is no longer interested: done() will not be called, the task is
 * destroyed when its thread is through with it.  What run() has opened is
 * freed by pool cleanups registered before the post.
 */
void ngx_tecken_task_cancel(ngx_tecken_task_t *task);

void ngx_tecken_task_destroy(ngx_tecken_task_t *task);


#endif /* _NGX_TECKEN_OFFLOAD_H_INCLUDED_ */
