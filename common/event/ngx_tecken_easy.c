
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_transfer.h>


/*
 * What libcurl is told of a transfer, and what it tells.  To take all of it
 * back and to tell it again costs an eighth of what libcurl does with it, so a
 * handle whose HEAD has gone as it should stays as it is, for the next one to
 * the same server.
 */


#define NGX_TECKEN_EASY_MAX_HEADERS  65536
#define NGX_TECKEN_EASY_HEAD_BUFFER  2048L    /* no body will fill more */
#define NGX_TECKEN_EASY_PRUNE        60       /* s */


static ngx_tecken_easy_t *ngx_tecken_easy_create(void);
static void ngx_tecken_easy_destroy(ngx_tecken_easy_t *e);
static void ngx_tecken_easy_unready(ngx_tecken_easy_t *e);
static ngx_int_t ngx_tecken_easy_prepare(ngx_tecken_easy_t *e,
    ngx_tecken_transfer_t *t);
static ngx_int_t ngx_tecken_easy_request(ngx_tecken_easy_t *e,
    ngx_tecken_transfer_t *t);
static int ngx_tecken_easy_prereq(void *data, char *peer, char *local,
    int peer_port, int local_port);
static size_t ngx_tecken_easy_header(char *line, size_t size, size_t n,
    void *data);
static void ngx_tecken_easy_answered(ngx_tecken_transfer_t *t);
static size_t ngx_tecken_easy_body(char *buf, size_t size, size_t n,
    void *data);
static size_t ngx_tecken_easy_read(char *buf, size_t size, size_t n,
    void *data);


/* "Accept: any" says nothing */
static struct curl_slist  ngx_tecken_easy_headers = { "Accept:", NULL };


#define ngx_tecken_easy_is_head(t)                                            \
    ((t)->upload < 0 && (t)->method[0] == 'H')


ngx_int_t
ngx_tecken_easy_get(ngx_tecken_transfer_t *t)
{
    ngx_queue_t                  *q;
    ngx_tecken_curl_t            *tc;
    ngx_tecken_easy_t            *e;
    ngx_tecken_transfer_share_t  *share;

    tc = &ngx_tecken_curl;
    share = t->share;

    if (share->nready && ngx_tecken_easy_is_head(t)) {
        q = ngx_queue_head(&share->ready);
        e = ngx_queue_data(q, ngx_tecken_easy_t, queue);

        ngx_tecken_easy_unready(e);

    } else {

        if (!ngx_queue_empty(&tc->spare)) {
            q = ngx_queue_head(&tc->spare);
            ngx_queue_remove(q);

            e = ngx_queue_data(q, ngx_tecken_easy_t, queue);

        } else if (tc->neasy >= tc->connections
                   && !ngx_queue_empty(&tc->ready))
        {
            q = ngx_queue_last(&tc->ready);
            e = ngx_queue_data(q, ngx_tecken_easy_t, all);

            ngx_tecken_easy_unready(e);
            curl_easy_reset(e->curl);

        } else {
            e = ngx_tecken_easy_create();

            if (e == NULL) {
                return NGX_ERROR;
            }
        }

        e->prepared = 0;
    }

    e->transfer = t;
    e->requests = 0;
    e->error[0] = '\0';

    t->easy = e;

    if (!e->prepared && ngx_tecken_easy_prepare(e, t) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_tecken_easy_request(e, t);
}


/* its transfer is removed from the multi handle */

void
ngx_tecken_easy_put(ngx_tecken_transfer_t *t)
{
    ngx_tecken_curl_t            *tc;
    ngx_tecken_easy_t            *e;
    ngx_tecken_transfer_share_t  *share;

    tc = &ngx_tecken_curl;
    e = t->easy;
    share = t->share;

    e->transfer = NULL;
    t->easy = NULL;

    /* to 8.14 and later a reset handle still has a cut body to rewind */

    if (t->upload >= 0) {
        ngx_tecken_easy_destroy(e);
        return;
    }

    /*
     * libcurl repeats a request when a connection that it had kept is dead,
     * and counts that until the handle is reset: the sixth time is an error
     */

    if (!t->whole || e->requests != 1 || e->once
        || !ngx_tecken_easy_is_head(t))
    {
        curl_easy_reset(e->curl);
        ngx_queue_insert_head(&tc->spare, &e->queue);
        return;
    }

    if (share->nready == 0) {
        ngx_queue_init(&share->ready);
    }

    ngx_queue_insert_head(&share->ready, &e->queue);
    ngx_queue_insert_head(&tc->ready, &e->all);

    e->share = share;
    share->nready++;
}


void
ngx_tecken_easy_exit(void)
{
    ngx_queue_t        *q;
    ngx_tecken_curl_t  *tc;
    ngx_tecken_easy_t  *e;

    tc = &ngx_tecken_curl;

    while (!ngx_queue_empty(&tc->ready)) {
        q = ngx_queue_head(&tc->ready);
        e = ngx_queue_data(q, ngx_tecken_easy_t, all);

        ngx_tecken_easy_unready(e);
        ngx_tecken_easy_destroy(e);
    }

    while (!ngx_queue_empty(&tc->spare)) {
        q = ngx_queue_head(&tc->spare);
        e = ngx_queue_data(q, ngx_tecken_easy_t, queue);

        ngx_queue_remove(q);
        ngx_tecken_easy_destroy(e);
    }
}


static ngx_tecken_easy_t *
ngx_tecken_easy_create(void)
{
    ngx_tecken_easy_t  *e;

    e = ngx_alloc(sizeof(ngx_tecken_easy_t), ngx_tecken_curl.log);
    if (e == NULL) {
        return NULL;
    }

    e->curl = curl_easy_init();
    if (e->curl == NULL) {
        ngx_free(e);
        return NULL;
    }

    ngx_tecken_curl.neasy++;

    return e;
}


static void
ngx_tecken_easy_destroy(ngx_tecken_easy_t *e)
{
    ngx_tecken_curl.neasy--;

    curl_easy_cleanup(e->curl);
    ngx_free(e);
}


static void
ngx_tecken_easy_unready(ngx_tecken_easy_t *e)
{
    ngx_queue_remove(&e->queue);
    ngx_queue_remove(&e->all);

    e->share->nready--;
}


/* what is the same for all transfers of a kind to a server */

static ngx_int_t
ngx_tecken_easy_prepare(ngx_tecken_easy_t *e, ngx_tecken_transfer_t *t)
{
    CURL  *curl;

    curl = e->curl;

    /* what libcurl copies may be lost when memory runs out */

    if (curl_easy_setopt(curl, CURLOPT_URL, t->url) != CURLE_OK
        || curl_easy_setopt(curl, CURLOPT_PROXY, "") != CURLE_OK)
    {
        return NGX_ERROR;
    }

    /* libcurl parses, prints and splits again each URL */

    if (t->parsed) {
        curl_easy_setopt(curl, CURLOPT_CURLU, t->parsed);
    }

    if (t->ca_file
        && curl_easy_setopt(curl, CURLOPT_CAINFO, t->ca_file) != CURLE_OK)
    {
        return NGX_ERROR;
    }

    curl_easy_setopt(curl, CURLOPT_PRIVATE, (void *) e);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, e->error);
    curl_easy_setopt(curl, CURLOPT_CLOSESOCKETFUNCTION, ngx_tecken_curl_close);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     (long) t->connect_timeout);

    /* what is needless here is copied for each transfer, and compared */

    curl_easy_setopt(curl, CURLOPT_PROXY_CAINFO, NULL);
    curl_easy_setopt(curl, CURLOPT_PROXY_CAPATH, NULL);

    if (ngx_strncmp(t->url, "http:", 5) == 0) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, NULL);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }

    if (t->upload >= 0) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
                         (curl_off_t) t->upload);
        curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 131072L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, ngx_tecken_easy_read);
        curl_easy_setopt(curl, CURLOPT_READDATA, e);

    } else if (t->method[0] == 'H') {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        curl_easy_setopt(curl, CURLOPT_BUFFERSIZE,
                         NGX_TECKEN_EASY_HEAD_BUFFER);
        curl_easy_setopt(curl, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
    }

    curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, ngx_tecken_easy_prereq);
    curl_easy_setopt(curl, CURLOPT_PREREQDATA, e);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, ngx_tecken_easy_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, e);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ngx_tecken_easy_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, e);

    e->prepared = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_easy_request(ngx_tecken_easy_t *e, ngx_tecken_transfer_t *t)
{
    CURL               *curl;
    ngx_tecken_curl_t  *tc;

    curl = e->curl;
    tc = &ngx_tecken_curl;

    /* without its target it is a request for what else may be there */

    if (curl_easy_setopt(curl, CURLOPT_REQUEST_TARGET, t->target) != CURLE_OK) {
        return NGX_ERROR;
    }

    curl_easy_setopt(curl, CURLOPT_HTTPHEADER,
                     t->headers ? t->headers : &ngx_tecken_easy_headers);
    curl_easy_setopt(curl, CURLOPT_CONNECT_TO, t->connect_to);

    /* 8.23 keeps a connection that has closed amid the header: see answered */

    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);

    e->once = 0;

    if (t->fresh) {
        e->once = 1;
        curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    }

    if (ngx_time() - tc->pruned >= NGX_TECKEN_EASY_PRUNE) {

        /* goes through all addresses that libcurl has had connections to */

        tc->pruned = ngx_time();

        e->once = 1;
        curl_easy_setopt(curl, CURLOPT_DNS_CACHE_TIMEOUT,
                         (long) NGX_TECKEN_EASY_PRUNE);
    }

    return NGX_OK;
}


/* before each request: there is a connection for it */

static int
ngx_tecken_easy_prereq(void *data, char *peer, char *local, int peer_port,
    int local_port)
{
    ngx_tecken_easy_t *e = data;

    e->requests++;

    return CURL_PREREQFUNC_OK;
}


static size_t
ngx_tecken_easy_header(char *line, size_t size, size_t n, void *data)
{
    ngx_tecken_easy_t *e = data;

    u_char                 *p, *last, *colon;
    ngx_str_t               name, value;
    ngx_tecken_transfer_t  *t;

    t = e->transfer;

    n *= size;

    t->progress = 1;
    t->header_size += n;

    if (t->header_size > NGX_TECKEN_EASY_MAX_HEADERS) {
        ngx_cpystrn((u_char *) t->error,
                    (u_char *) "too large response header", CURL_ERROR_SIZE);
        return 0;
    }

    p = (u_char *) line;
    last = p + n;

    if (n && (p[0] == CR || p[0] == LF)) {
        ngx_tecken_easy_answered(t);
        return n;
    }

    if (t->answered && n > 5 && ngx_strncmp(p, "HTTP/", 5) == 0) {

        /* the one before was 100 */
        t->answered = 0;
        curl_easy_setopt(e->curl, CURLOPT_FORBID_REUSE, 1L);
    }

    colon = memchr(p, ':', n);

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
ngx_tecken_easy_answered(ngx_tecken_transfer_t *t)
{
    long  status;

    t->answered = 1;
    curl_easy_setopt(t->easy->curl, CURLOPT_FORBID_REUSE, 0L);

    if (t->upload < 0 || !t->paused) {
        return;
    }

    /*
     * An error answers the upload, but libcurl 7.88 does not end one that is
     * paused; it reads no more from its source.
     */

    status = 0;
    (void) curl_easy_getinfo(t->easy->curl, CURLINFO_RESPONSE_CODE, &status);

    if (status >= 300) {
        ngx_tecken_transfer_resume(t);
    }
}


static size_t
ngx_tecken_easy_body(char *buf, size_t size, size_t n, void *data)
{
    ngx_tecken_easy_t *e = data;

    long                    status;
    ngx_int_t               rc;
    ngx_tecken_transfer_t  *t;

    t = e->transfer;

    n *= size;

    t->progress = 1;

    if (t->status == 0) {
        status = 0;
        (void) curl_easy_getinfo(e->curl, CURLINFO_RESPONSE_CODE, &status);
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
        (void) curl_easy_pause(e->curl, CURLPAUSE_RECV);

        return n;
    }

    return (rc == NGX_OK) ? n : 0;
}


static size_t
ngx_tecken_easy_read(char *buf, size_t size, size_t n, void *data)
{
    ngx_tecken_easy_t *e = data;

    ssize_t                 rc;
    ngx_tecken_transfer_t  *t;

    t = e->transfer;

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
