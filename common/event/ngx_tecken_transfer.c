
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_transfer.h>


#define NGX_TECKEN_TRANSFER_MAX_WAITING  16     /* times the connections */


/*
 * A share may have up to twice of what is left free: alone two thirds of all
 * places, two of them two fifths each; there is one left for the next.
 */
#define ngx_tecken_transfer_room(tc, share)                                   \
    ((tc)->nactive < (tc)->connections                                        \
     && (share)->nactive < 2 * ((tc)->connections - (tc)->nactive))


static ngx_int_t ngx_tecken_transfer_run(ngx_tecken_transfer_t *t);
static void ngx_tecken_transfer_wait(ngx_tecken_transfer_t *t);
static void ngx_tecken_transfer_unwait(ngx_tecken_transfer_t *t);
static ngx_tecken_transfer_t *ngx_tecken_transfer_turn(void);
static void ngx_tecken_transfer_release(ngx_tecken_transfer_t *t);
static void ngx_tecken_transfer_timeout(ngx_event_t *ev);
static void ngx_tecken_transfer_resume_handler(ngx_event_t *ev);
static void ngx_tecken_transfer_arm(ngx_tecken_transfer_t *t);


ngx_int_t
ngx_tecken_transfer_start(ngx_tecken_transfer_t *t)
{
    ngx_int_t                     rc;
    ngx_tecken_curl_t            *tc;
    ngx_tecken_transfer_share_t  *share;

    tc = &ngx_tecken_curl;
    share = t->share;

    t->timer.handler = ngx_tecken_transfer_timeout;
    t->timer.data = t;
    t->timer.log = t->log;

    t->resumer.handler = ngx_tecken_transfer_resume_handler;
    t->resumer.data = t;
    t->resumer.log = t->log;

    if (share->nwaiting == 0 && ngx_tecken_transfer_room(tc, share)) {
        rc = ngx_tecken_transfer_run(t);

        if (rc != NGX_OK) {
            ngx_tecken_transfer_release(t);
            return rc;
        }

    } else if (share->nwaiting
               < tc->connections * NGX_TECKEN_TRANSFER_MAX_WAITING)
    {
        ngx_tecken_transfer_wait(t);

    } else {
        ngx_tecken_transfer_release(t);
        return NGX_BUSY;
    }

    ngx_tecken_transfer_arm(t);

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_transfer_run(ngx_tecken_transfer_t *t)
{
    ngx_tecken_curl_t  *tc;

    tc = &ngx_tecken_curl;

    /* the last connections are for the clients */

    if (ngx_cycle->free_connection_n < ngx_cycle->connection_n / 16) {
        return NGX_BUSY;
    }

    if (ngx_tecken_easy_get(t) != NGX_OK
        || curl_multi_add_handle(tc->multi, t->easy->curl) != CURLM_OK)
    {
        return NGX_ERROR;
    }

    tc->nactive++;
    t->share->nactive++;
    t->active = 1;

    return NGX_OK;
}


static void
ngx_tecken_transfer_wait(ngx_tecken_transfer_t *t)
{
    ngx_tecken_transfer_share_t  *share;

    share = t->share;

    if (share->nwaiting == 0) {
        ngx_queue_init(&share->waiting);
        ngx_queue_insert_tail(&ngx_tecken_curl.waiting, &share->queue);
    }

    ngx_queue_insert_tail(&share->waiting, &t->queue);

    share->nwaiting++;
    t->waiting = 1;
}


static void
ngx_tecken_transfer_unwait(ngx_tecken_transfer_t *t)
{
    ngx_tecken_transfer_share_t  *share;

    share = t->share;

    ngx_queue_remove(&t->queue);

    share->nwaiting--;
    t->waiting = 0;

    if (share->nwaiting == 0) {
        ngx_queue_remove(&share->queue);
    }
}


static void
ngx_tecken_transfer_arm(ngx_tecken_transfer_t *t)
{
    ngx_add_timer(&t->timer, t->timeout ? t->timeout : t->idle_timeout);
}


void
ngx_tecken_transfer_finish(ngx_tecken_transfer_t *t, CURLcode code)
{
    long  status;

    status = 0;
    (void) curl_easy_getinfo(t->easy->curl, CURLINFO_RESPONSE_CODE, &status);

    t->status = (ngx_uint_t) status;

    if (code == CURLE_OK && t->answered) {
        t->rc = NGX_OK;
        t->whole = 1;

    } else if (code == CURLE_OK) {

        /* to libcurl, a connection that closes amid the header ends it */

        t->rc = NGX_ERROR;
        ngx_cpystrn((u_char *) t->error,
                    (u_char *) "the answer ends within its header",
                    CURL_ERROR_SIZE);

    } else {
        t->rc = NGX_ERROR;
        t->timed_out = (code == CURLE_OPERATION_TIMEDOUT);

        /* a callback that stopped it knows better than libcurl why */

        if (t->error[0] == '\0') {
            ngx_cpystrn((u_char *) t->error,
                        (u_char *) (t->easy->error[0]
                                    ? t->easy->error
                                    : curl_easy_strerror(code)),
                        CURL_ERROR_SIZE);
        }
    }

    ngx_tecken_transfer_release(t);

    t->done(t);
}


/* leaves nothing of libcurl's or of the event loop's that knows of t */

static void
ngx_tecken_transfer_release(ngx_tecken_transfer_t *t)
{
    ngx_tecken_curl_t  *tc;

    tc = &ngx_tecken_curl;

    if (t->waiting) {
        ngx_tecken_transfer_unwait(t);
    }

    if (t->active) {
        (void) curl_multi_remove_handle(tc->multi, t->easy->curl);
        tc->nactive--;
        t->share->nactive--;
        t->active = 0;
    }

    if (t->easy) {
        ngx_tecken_easy_put(t);
    }

    if (t->headers) {
        curl_slist_free_all(t->headers);
        t->headers = NULL;
    }

    if (t->timer.timer_set) {
        ngx_del_timer(&t->timer);
    }

    if (t->resumer.posted) {
        ngx_delete_posted_event(&t->resumer);
    }
}


void
ngx_tecken_transfer_cancel(ngx_tecken_transfer_t *t)
{
    ngx_tecken_transfer_release(t);

    /* the place is free: not from here, the caller is amid something */

    if (!ngx_queue_empty(&ngx_tecken_curl.waiting)) {
        ngx_post_event(&ngx_tecken_curl.timer, &ngx_posted_events);
    }
}


void
ngx_tecken_transfer_next(void)
{
    ngx_int_t               rc;
    ngx_tecken_transfer_t  *t;

    while ((t = ngx_tecken_transfer_turn())) {

        ngx_tecken_transfer_unwait(t);

        rc = ngx_tecken_transfer_run(t);

        if (rc != NGX_OK) {
            t->rc = rc;
            ngx_cpystrn((u_char *) t->error,
                        (u_char *) (rc == NGX_BUSY ? "out of connections"
                                                   : "out of memory"),
                        CURL_ERROR_SIZE);

            ngx_tecken_transfer_release(t);
            t->done(t);
            continue;
        }

        /* its wait was no silence of the server's: see the timer */

        t->progress = 1;
    }
}


/* the next that may run, of the shares in turn */

static ngx_tecken_transfer_t *
ngx_tecken_transfer_turn(void)
{
    ngx_queue_t                  *q;
    ngx_tecken_curl_t            *tc;
    ngx_tecken_transfer_share_t  *share;

    tc = &ngx_tecken_curl;

    for (q = ngx_queue_head(&tc->waiting);
         q != ngx_queue_sentinel(&tc->waiting);
         q = ngx_queue_next(q))
    {
        share = ngx_queue_data(q, ngx_tecken_transfer_share_t, queue);

        if (ngx_tecken_transfer_room(tc, share)) {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&tc->waiting, q);

            q = ngx_queue_head(&share->waiting);

            return ngx_queue_data(q, ngx_tecken_transfer_t, queue);
        }
    }

    return NULL;
}


void
ngx_tecken_transfer_resume(ngx_tecken_transfer_t *t)
{
    if (t->active && t->paused && !t->resumer.posted) {
        ngx_post_event(&t->resumer, &ngx_posted_events);
    }
}


static void
ngx_tecken_transfer_resume_handler(ngx_event_t *ev)
{
    ngx_tecken_transfer_t  *t = ev->data;

    t->paused = 0;
    t->progress = 1;

    /* may call body or read, and end the transfer, but not tell so: the
     * result is found by the drain */

    (void) curl_easy_pause(t->easy->curl, CURLPAUSE_CONT);

    ngx_tecken_curl_drain();
}


static void
ngx_tecken_transfer_timeout(ngx_event_t *ev)
{
    ngx_tecken_transfer_t  *t = ev->data;

    if (t->timeout == 0 && (t->progress || t->paused || t->waiting)) {

        /* a pause is the caller's: it has a deadline of its own */

        t->progress = 0;
        ngx_tecken_transfer_arm(t);
        return;
    }

    t->rc = NGX_ERROR;
    t->timed_out = 1;

    (void) ngx_snprintf((u_char *) t->error, CURL_ERROR_SIZE,
                        "timed out while %s%Z",
                        t->waiting ? "waiting for a connection"
                                   : t->header_size
                                     ? "reading the answer"
                                     : "waiting for an answer");

    ngx_tecken_transfer_release(t);

    t->done(t);

    ngx_tecken_transfer_next();
}
