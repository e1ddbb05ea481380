
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_transfer.h>


#define NGX_TECKEN_TRANSFER_MAX_HEADERS  65536
#define NGX_TECKEN_TRANSFER_MAX_WAITING  16     /* times the connections */
#define NGX_TECKEN_TRANSFER_HEAD_BUFFER  2048L  /* no body will fill more */


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
static ngx_int_t ngx_tecken_transfer_options(ngx_tecken_transfer_t *t);
static void ngx_tecken_transfer_release(ngx_tecken_transfer_t *t);
static size_t ngx_tecken_transfer_header(char *line, size_t size, size_t n,
    void *data);
static void ngx_tecken_transfer_answered(ngx_tecken_transfer_t *t);
static size_t ngx_tecken_transfer_body(char *buf, size_t size, size_t n,
    void *data);
static size_t ngx_tecken_transfer_read(char *buf, size_t size, size_t n,
    void *data);
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

    if (tc->nidle) {
        t->easy = tc->idle[--tc->nidle];

    } else {
        t->easy = curl_easy_init();

        if (t->easy == NULL) {
            return NGX_ERROR;
        }
    }

    if (ngx_tecken_transfer_options(t) != NGX_OK
        || curl_multi_add_handle(tc->multi, t->easy) != CURLM_OK)
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


static ngx_int_t
ngx_tecken_transfer_options(ngx_tecken_transfer_t *t)
{
    CURL  *easy;

    easy = t->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, (void *) t);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->curl_error);

    /*
     * What libcurl copies may be lost when memory runs out: a request without
     * its target is one for something else that may be there
     */

    if (curl_easy_setopt(easy, CURLOPT_URL, t->url) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK)
    {
        return NGX_ERROR;
    }

    /* libcurl parses, prints and splits again each URL */

    if (t->parsed) {
        curl_easy_setopt(easy, CURLOPT_CURLU, t->parsed);
    }

    if (t->target
        && curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, t->target)
           != CURLE_OK)
    {
        return NGX_ERROR;
    }

    if (t->fresh) {
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    }

    if (t->ca_file
        && curl_easy_setopt(easy, CURLOPT_CAINFO, t->ca_file) != CURLE_OK)
    {
        return NGX_ERROR;
    }

    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, ngx_tecken_curl_close);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);

    /* 8.23 keeps a connection that has closed amid the header: see answered */

    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long) t->connect_timeout);

    if (t->connect_to) {
        curl_easy_setopt(easy, CURLOPT_CONNECT_TO, t->connect_to);
    }

    if (t->upload >= 0) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                         (curl_off_t) t->upload);
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 131072L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, ngx_tecken_transfer_read);
        curl_easy_setopt(easy, CURLOPT_READDATA, t);

    } else if (t->method[0] == 'H') {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
                         NGX_TECKEN_TRANSFER_HEAD_BUFFER);
    }

    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, ngx_tecken_transfer_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ngx_tecken_transfer_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);

    return NGX_OK;
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
    (void) curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);

    t->status = (ngx_uint_t) status;

    if (code == CURLE_OK && t->answered) {
        t->rc = NGX_OK;

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
                        (u_char *) (t->curl_error[0]
                                    ? t->curl_error
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
        (void) curl_multi_remove_handle(tc->multi, t->easy);
        tc->nactive--;
        t->share->nactive--;
        t->active = 0;
    }

    if (t->easy) {

        /* to 8.14 and later a reset handle still has a cut body to rewind */

        if (tc->nidle < tc->connections && t->upload < 0) {
            curl_easy_reset(t->easy);
            tc->idle[tc->nidle++] = t->easy;

        } else {
            curl_easy_cleanup(t->easy);
        }

        t->easy = NULL;
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

    (void) curl_easy_pause(t->easy, CURLPAUSE_CONT);

    ngx_tecken_curl_drain();
}


static size_t
ngx_tecken_transfer_header(char *line, size_t size, size_t n, void *data)
{
    ngx_tecken_transfer_t *t = data;

    u_char     *p, *last, *colon;
    ngx_str_t   name, value;

    n *= size;

    t->progress = 1;
    t->header_size += n;

    if (t->header_size > NGX_TECKEN_TRANSFER_MAX_HEADERS) {
        ngx_cpystrn((u_char *) t->error,
                    (u_char *) "too large response header", CURL_ERROR_SIZE);
        return 0;
    }

    p = (u_char *) line;
    last = p + n;

    if (n && (p[0] == CR || p[0] == LF)) {
        ngx_tecken_transfer_answered(t);
        return n;
    }

    if (n > 5 && ngx_strncmp(p, "HTTP/", 5) == 0) {

        /* the one before was 100 */
        t->answered = 0;
        curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
    }

    colon = ngx_strlchr(p, last, ':');

    if (colon == NULL || t->header == NULL) {
        return n;
    }

    while (last > colon + 1 && (last[-1] == LF || last[-1] == CR
                                || last[-1] == ' ' || last[-1] == '\t'))
    {
        last--;
    }

    name.data = p;
    name.len = colon - p;

    for (p = colon + 1; p < last && (*p == ' ' || *p == '\t'); p++) {
        /* void */
    }

    value.data = p;
    value.len = last - p;

    return (t->header(t, &name, &value) == NGX_OK) ? n : 0;
}


static void
ngx_tecken_transfer_answered(ngx_tecken_transfer_t *t)
{
    long  status;

    t->answered = 1;
    curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 0L);

    if (t->upload < 0 || !t->paused) {
        return;
    }

    /*
     * An error answers the upload, but libcurl 7.88 does not end one that is
     * paused; it reads no more from its source.
     */

    status = 0;
    (void) curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);

    if (status >= 300) {
        ngx_tecken_transfer_resume(t);
    }
}


static size_t
ngx_tecken_transfer_body(char *buf, size_t size, size_t n, void *data)
{
    ngx_tecken_transfer_t *t = data;

    long       status;
    ngx_int_t  rc;

    n *= size;

    t->progress = 1;

    if (t->status == 0) {
        status = 0;
        (void) curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        t->status = (ngx_uint_t) status;
    }

    if (t->body == NULL) {
        return n;
    }

    rc = t->body(t, (u_char *) buf, n);

    if (rc == NGX_AGAIN) {

        /*
         * The bytes are taken, so CURL_WRITEFUNC_PAUSE, which would bring
         * them again, is no answer.
         */

        t->paused = 1;
        (void) curl_easy_pause(t->easy, CURLPAUSE_RECV);

        return n;
    }

    return (rc == NGX_OK) ? n : 0;
}


static size_t
ngx_tecken_transfer_read(char *buf, size_t size, size_t n, void *data)
{
    ngx_tecken_transfer_t *t = data;

    ssize_t  rc;

    t->progress = 1;

    rc = t->read(t, (u_char *) buf, size * n);

    if (rc == NGX_AGAIN) {
        t->paused = 1;
        return CURL_READFUNC_PAUSE;
    }

    if (rc < 0) {
        return CURL_READFUNC_ABORT;
    }

    if (rc > 0) {
        t->sent = 1;
    }

    return (size_t) rc;
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
