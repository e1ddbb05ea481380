
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_dockerflow.h>
#include <ngx_tecken_metrics.h>

#include <tk_json.h>


#ifndef NGX_TECKEN_HEARTBEAT_TIMEOUT
#define NGX_TECKEN_HEARTBEAT_TIMEOUT  10000
#endif

#define NGX_TECKEN_HEARTBEAT_VALID    1000

#define NGX_TECKEN_HEARTBEAT_ERROR    512     /* bytes of one logged error */


typedef struct {
    ngx_queue_t              queue;
    ngx_http_request_t      *request;         /* NULL: not in the queue */
} ngx_tecken_waiter_t;


struct ngx_tecken_heartbeat_s {
    ngx_array_t              checks;          /* ngx_tecken_check_t * */
    ngx_queue_t              waiters;

    ngx_uint_t               awaited;         /* checks not done yet */
    ngx_msec_t               finished;

    ngx_event_t              deadline;
    ngx_event_t              done;

    unsigned                 running:1;
    unsigned                 starting:1;
    unsigned                 valid:1;
};


static void ngx_tecken_heartbeat_start(ngx_tecken_heartbeat_t *hb);
static void ngx_tecken_heartbeat_deadline(ngx_event_t *ev);
static void ngx_tecken_heartbeat_done(ngx_event_t *ev);
static void ngx_tecken_heartbeat_finish(ngx_tecken_heartbeat_t *hb);
static void ngx_tecken_heartbeat_log(ngx_tecken_check_t *check);
static ngx_int_t ngx_tecken_heartbeat_wait(ngx_http_request_t *r,
    ngx_tecken_heartbeat_t *hb);
static void ngx_tecken_heartbeat_cleanup(void *data);
static ngx_int_t ngx_tecken_heartbeat_send(ngx_http_request_t *r,
    ngx_tecken_heartbeat_t *hb);
static ngx_str_t *ngx_tecken_check_error(ngx_tecken_check_t *check);
static u_char *ngx_tecken_check_json(u_char *p, ngx_tecken_check_t *check);


static ngx_str_t  ngx_tecken_error_late = ngx_string("timed out");
static ngx_str_t  ngx_tecken_error_unknown = ngx_string("unknown error");

/* debug logs of events look for the fd of a connection */
static ngx_connection_t  ngx_tecken_heartbeat_dummy = {
    .fd = (ngx_socket_t) -1
};


ngx_tecken_heartbeat_t *
ngx_tecken_heartbeat_create(ngx_conf_t *cf)
{
    ngx_tecken_heartbeat_t  *hb;

    hb = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_heartbeat_t));
    if (hb == NULL) {
        return NULL;
    }

    if (ngx_array_init(&hb->checks, cf->pool, 4, sizeof(ngx_tecken_check_t *))
        != NGX_OK)
    {
        return NULL;
    }

    ngx_queue_init(&hb->waiters);

    hb->deadline.handler = ngx_tecken_heartbeat_deadline;
    hb->deadline.data = &ngx_tecken_heartbeat_dummy;

    hb->done.handler = ngx_tecken_heartbeat_done;
    hb->done.data = &ngx_tecken_heartbeat_dummy;

    return hb;
}


ngx_int_t
ngx_tecken_heartbeat_add(ngx_tecken_heartbeat_t *hb,
    ngx_tecken_check_t *check)
{
    ngx_tecken_check_t  **c;

    c = ngx_array_push(&hb->checks);
    if (c == NULL) {
        return NGX_ERROR;
    }

    *c = check;

    check->heartbeat = hb;

    return NGX_OK;
}


ngx_int_t
ngx_tecken_dockerflow_heartbeat(ngx_http_request_t *r,
    ngx_tecken_heartbeat_t *hb)
{
    ngx_int_t  rc;

    rc = ngx_tecken_dockerflow_method(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!hb->running
        && (!hb->valid
            || ngx_current_msec - hb->finished >= NGX_TECKEN_HEARTBEAT_VALID))
    {
        ngx_tecken_heartbeat_start(hb);
    }

    if (hb->running) {
        return ngx_tecken_heartbeat_wait(r, hb);
    }

    return ngx_tecken_heartbeat_send(r, hb);
}


static void
ngx_tecken_heartbeat_start(ngx_tecken_heartbeat_t *hb)
{
    ngx_int_t             rc;
    ngx_uint_t            i;
    ngx_tecken_check_t  **check;

    hb->running = 1;
    hb->starting = 1;
    hb->awaited = 0;

    hb->deadline.log = ngx_cycle->log;
    hb->done.log = ngx_cycle->log;

    check = hb->checks.elts;

    for (i = 0; i < hb->checks.nelts; i++) {

        check[i]->awaited = 1;
        check[i]->late = 0;
        hb->awaited++;

        if (check[i]->busy) {
            /* of an earlier run, still under way */
            continue;
        }

        check[i]->busy = 1;
        check[i]->started = ngx_tecken_usec();

        rc = check[i]->start(check[i]);

        if (rc != NGX_AGAIN) {
            ngx_tecken_check_done(check[i], rc);
        }
    }

    hb->starting = 0;

    if (hb->awaited == 0) {
        ngx_tecken_heartbeat_finish(hb);
        return;
    }

    ngx_add_timer(&hb->deadline, NGX_TECKEN_HEARTBEAT_TIMEOUT);
}


void
ngx_tecken_check_done(ngx_tecken_check_t *check, ngx_int_t rc)
{
    ngx_tecken_heartbeat_t  *hb;

    if (!check->busy) {
        return;
    }

    check->busy = 0;

    if (!check->awaited) {
        return;
    }

    check->awaited = 0;
    check->rc = rc;
    check->usec = ngx_tecken_usec() - check->started;

    hb = check->heartbeat;

    if (--hb->awaited || hb->starting) {
        return;
    }

    /* not from the caller's stack, requests are finalized */

    ngx_post_event(&hb->done, &ngx_posted_events);
}


static void
ngx_tecken_heartbeat_deadline(ngx_event_t *ev)
{
    ngx_uint_t                i;
    ngx_tecken_check_t      **check;
    ngx_tecken_heartbeat_t   *hb;

    hb = (ngx_tecken_heartbeat_t *)
             ((u_char *) ev - offsetof(ngx_tecken_heartbeat_t, deadline));

    check = hb->checks.elts;

    for (i = 0; i < hb->checks.nelts; i++) {

        if (!check[i]->awaited) {
            continue;
        }

        check[i]->awaited = 0;
        check[i]->late = 1;
        check[i]->rc = NGX_ERROR;
        check[i]->usec = ngx_tecken_usec() - check[i]->started;
    }

    hb->awaited = 0;

    ngx_tecken_heartbeat_finish(hb);
}


static void
ngx_tecken_heartbeat_done(ngx_event_t *ev)
{
    ngx_tecken_heartbeat_t  *hb;

    hb = (ngx_tecken_heartbeat_t *)
             ((u_char *) ev - offsetof(ngx_tecken_heartbeat_t, done));

    ngx_tecken_heartbeat_finish(hb);
}


static void
ngx_tecken_heartbeat_finish(ngx_tecken_heartbeat_t *hb)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    ngx_queue_t           *q, waiters;
    ngx_connection_t      *c;
    ngx_tecken_check_t   **check;
    ngx_http_request_t    *r;
    ngx_tecken_waiter_t   *w;

    if (hb->deadline.timer_set) {
        ngx_del_timer(&hb->deadline);
    }

    if (hb->done.posted) {
        ngx_delete_posted_event(&hb->done);
    }

    hb->running = 0;
    hb->valid = 1;
    hb->finished = ngx_current_msec;

    check = hb->checks.elts;

    for (i = 0; i < hb->checks.nelts; i++) {
        if (check[i]->rc != NGX_OK) {
            ngx_tecken_heartbeat_log(check[i]);
        }
    }

    ngx_queue_init(&waiters);

    if (!ngx_queue_empty(&hb->waiters)) {
        ngx_queue_add(&waiters, &hb->waiters);
        ngx_queue_init(&hb->waiters);
    }

    while (!ngx_queue_empty(&waiters)) {

        q = ngx_queue_head(&waiters);
        ngx_queue_remove(q);

        w = ngx_queue_data(q, ngx_tecken_waiter_t, queue);

        r = w->request;
        w->request = NULL;

        c = r->connection;

        ngx_http_set_log_request(c->log, r);

        if (!r->discard_body) {
            r->read_event_handler = ngx_http_block_reading;
        }

        rc = ngx_tecken_heartbeat_send(r, hb);

        ngx_http_finalize_request(r, rc);
        ngx_http_run_posted_requests(c);
    }
}


static void
ngx_tecken_heartbeat_log(ngx_tecken_check_t *check)
{
    u_char      text[NGX_TECKEN_HEARTBEAT_ERROR];
    size_t      len;
    ngx_str_t  *error;

    error = ngx_tecken_check_error(check);

    len = tk_log_escape(text, sizeof(text), error->data, error->len);

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "dockerflow: check \"%V\" failed after %uLms: %*s",
                  &check->name, check->usec / 1000, len, text);
}


static ngx_int_t
ngx_tecken_heartbeat_wait(ngx_http_request_t *r, ngx_tecken_heartbeat_t *hb)
{
    ngx_http_cleanup_t   *cln;
    ngx_tecken_waiter_t  *w;

    cln = ngx_http_cleanup_add(r, sizeof(ngx_tecken_waiter_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w = cln->data;
    w->request = r;

    cln->handler = ngx_tecken_heartbeat_cleanup;

    ngx_queue_insert_tail(&hb->waiters, &w->queue);

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;
    }

    r->main->count++;

    return NGX_DONE;
}


static void
ngx_tecken_heartbeat_cleanup(void *data)
{
    ngx_tecken_waiter_t  *w = data;

    if (w->request) {
        ngx_queue_remove(&w->queue);
        w->request = NULL;
    }
}


static ngx_int_t
ngx_tecken_heartbeat_send(ngx_http_request_t *r, ngx_tecken_heartbeat_t *hb)
{
    size_t                len;
    u_char               *p;
    ngx_str_t            *error;
    ngx_buf_t            *b;
    ngx_uint_t            i, failed;
    ngx_tecken_check_t  **check;

    len = sizeof("{\"status\": \"error\", \"checks\": {}}") - 1;
    failed = 0;

    check = hb->checks.elts;

    for (i = 0; i < hb->checks.nelts; i++) {
        error = ngx_tecken_check_error(check[i]);

        len += sizeof(", \"\": {\"status\": \"error\", \"latency_ms\": , "
                      "\"error\": \"\"}") - 1 + NGX_INT64_LEN
               + tk_json_escape(NULL, check[i]->name.data, check[i]->name.len)
               + tk_json_escape(NULL, error->data, error->len);

        if (check[i]->rc != NGX_OK) {
            failed = 1;
        }
    }

    b = ngx_create_temp_buf(r->pool, len);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(b->last, "{\"status\": \"%s\", \"checks\": {",
                    failed ? "error" : "ok");

    for (i = 0; i < hb->checks.nelts; i++) {

        if (i) {
            *p++ = ','; *p++ = ' ';
        }

        p = ngx_tecken_check_json(p, check[i]);
    }

    *p++ = '}'; *p++ = '}';

    b->last = p;

    if (ngx_tecken_dockerflow_no_store(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = failed ? NGX_HTTP_INTERNAL_SERVER_ERROR
                                   : NGX_HTTP_OK;

    ngx_str_set(&r->headers_out.content_type, "application/json");

    return ngx_tecken_dockerflow_send(r, b);
}


static u_char *
ngx_tecken_check_json(u_char *p, ngx_tecken_check_t *check)
{
    ngx_str_t  *error;

    *p++ = '"';
    p += tk_json_escape(p, check->name.data, check->name.len);

    p = ngx_sprintf(p, "\": {\"status\": \"%s\", \"latency_ms\": %uL",
                    check->rc == NGX_OK ? "ok" : "error", check->usec / 1000);

    if (check->rc != NGX_OK) {
        error = ngx_tecken_check_error(check);

        p = ngx_cpymem(p, ", \"error\": \"", sizeof(", \"error\": \"") - 1);
        p += tk_json_escape(p, error->data, error->len);
        *p++ = '"';
    }

    *p++ = '}';

    return p;
}


/* check->error may belong to a run that no answer tells of any more */

static ngx_str_t *
ngx_tecken_check_error(ngx_tecken_check_t *check)
{
    if (check->late) {
        return &ngx_tecken_error_late;
    }

    if (check->error.len == 0) {
        return &ngx_tecken_error_unknown;
    }

    return &check->error;
}
