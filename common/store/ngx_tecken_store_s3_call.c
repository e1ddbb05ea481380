
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_s3.h>

#include <curl/curl.h>


#define NGX_TECKEN_S3_BACKOFF      100        /* ms, doubled each time */
#define NGX_TECKEN_S3_MAX_BACKOFF  5000
#define NGX_TECKEN_S3_SKEW         300        /* s, less is no reason */
#define NGX_TECKEN_S3_ERROR_PATH   1024
#define NGX_TECKEN_S3_HEADER_SIZE  8192       /* a session token, mostly */


static ngx_int_t ngx_tecken_s3_attempt(ngx_tecken_s3_call_t *call);
static ngx_int_t ngx_tecken_s3_resolve(ngx_tecken_s3_call_t *call);
static void ngx_tecken_s3_resolved(ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_tecken_s3_send(ngx_tecken_s3_call_t *call);
static ngx_int_t ngx_tecken_s3_headers(ngx_tecken_s3_call_t *call);
static ngx_int_t ngx_tecken_s3_header_add(ngx_tecken_s3_call_t *call,
    const char *fmt, ...);
static ngx_int_t ngx_tecken_s3_sign(ngx_tecken_s3_call_t *call);
static ngx_int_t ngx_tecken_s3_header(ngx_tecken_transfer_t *t,
    ngx_str_t *name, ngx_str_t *value);
static ngx_uint_t ngx_tecken_s3_range(ngx_tecken_s3_call_t *call,
    ngx_str_t *value);
static ngx_int_t ngx_tecken_s3_copy(ngx_tecken_s3_call_t *call,
    ngx_str_t *dst, ngx_str_t *value);
static void ngx_tecken_s3_done(ngx_tecken_transfer_t *t);
static ngx_int_t ngx_tecken_s3_verdict(ngx_tecken_s3_call_t *call);
static ngx_int_t ngx_tecken_s3_skewed(ngx_tecken_s3_call_t *call);
static ngx_int_t ngx_tecken_s3_again(ngx_tecken_s3_call_t *call);
static void ngx_tecken_s3_retry(ngx_event_t *ev);
static void ngx_tecken_s3_finish(ngx_tecken_s3_call_t *call, ngx_int_t rc);


ngx_tecken_s3_call_t *
ngx_tecken_s3_call(ngx_tecken_store_op_t *op, const char *method)
{
    ngx_tecken_s3_call_t  *call;

    call = ngx_pcalloc(op->pool, sizeof(ngx_tecken_s3_call_t));
    if (call == NULL) {
        return NULL;
    }

    call->op = op;
    call->s3 = op->storage->conf;
    call->method = method;

    call->transfer.upload = -1;

    call->retry.handler = ngx_tecken_s3_retry;
    call->retry.data = call;
    call->retry.log = op->log;

    op->ctx = call;

    return call;
}


/* requests of the bucket itself */

ngx_int_t
ngx_tecken_s3_bucket(ngx_tecken_s3_call_t *call)
{
    call->path.len = call->s3->bucket + 1;
    call->path.data = ngx_pnalloc(call->op->pool, call->path.len);

    if (call->path.data == NULL) {
        return NGX_ERROR;
    }

    *ngx_cpymem(call->path.data, call->s3->path.data, call->s3->bucket) = '/';

    return NGX_OK;
}


ngx_int_t
ngx_tecken_s3_call_start(ngx_tecken_s3_call_t *call)
{
    ngx_int_t  rc;

    call->ends = ngx_current_msec + call->s3->deadline;

    rc = ngx_tecken_s3_attempt(call);

    call->op->rc = rc;
    call->op->active = (rc == NGX_AGAIN);

    return rc;
}


ngx_int_t
ngx_tecken_s3_call_next(ngx_tecken_s3_call_t *call)
{
    call->ends = ngx_current_msec + call->s3->deadline;

    return ngx_tecken_s3_attempt(call);
}


static ngx_int_t
ngx_tecken_s3_attempt(ngx_tecken_s3_call_t *call)
{
    call->op->attempts++;

    if (call->op->storage->resolver && !call->s3->numeric) {
        return ngx_tecken_s3_resolve(call);
    }

    return ngx_tecken_s3_send(call);
}


static ngx_int_t
ngx_tecken_s3_resolve(ngx_tecken_s3_call_t *call)
{
    ngx_str_t             *name;
    ngx_msec_int_t         left;
    ngx_resolver_ctx_t    *ctx, temp;
    ngx_tecken_storage_t  *st;

    st = call->op->storage;
    name = &call->s3->name;

    temp.name = *name;

    ctx = ngx_resolve_start(st->resolver, &temp);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        return ngx_tecken_s3_error(call, "no resolver for \"%V\"", name);
    }

    ctx->name = *name;
    ctx->handler = ngx_tecken_s3_resolved;
    ctx->data = call;

    left = (ngx_msec_int_t) (call->ends - ngx_current_msec);
    ctx->timeout = ngx_min(st->resolver_timeout,
                           (ngx_msec_t) ngx_max(left, 1));

    call->resolving = ctx;
    call->op->rc = NGX_AGAIN;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        call->resolving = NULL;
        return ngx_tecken_s3_error(call, "could not resolve \"%V\"", name);
    }

    /* a name that is known calls its handler before ngx_resolve_name()
     * returns */

    return call->resolving ? NGX_AGAIN : call->op->rc;
}


static void
ngx_tecken_s3_resolved(ngx_resolver_ctx_t *ctx)
{
    ngx_tecken_s3_call_t *call = ctx->data;

    char       *last;
    size_t      len;
    u_char     *p, addr[NGX_SOCKADDR_STRLEN];
    ngx_int_t   rc, state;
    ngx_uint_t  i, async;

    async = ctx->async;
    state = ctx->state;
    call->resolving = NULL;

    if (state) {
        ngx_resolve_name_done(ctx);

        rc = ngx_tecken_s3_error(call, "could not resolve \"%V\" (%i: %s)",
                                 &call->s3->name, state,
                                 ngx_resolver_strerror(state));

        if (state != NGX_RESOLVE_NXDOMAIN) {
            rc = ngx_tecken_s3_again(call);
        }

        goto done;
    }

    /* another address than the attempt before: the resolver shuffles them */

    last = call->connect_to.data;

    p = ngx_pnalloc(call->op->pool,
                    sizeof("::[]:65535") + NGX_SOCKADDR_STRLEN);

    for (i = 0; p && i < ctx->naddrs; i++) {

        len = ngx_sock_ntop(ctx->addrs[i].sockaddr, ctx->addrs[i].socklen,
                            addr, NGX_SOCKADDR_STRLEN, 0);

        (void) ngx_sprintf(p, ngx_strlchr(addr, addr + len, ':')
                              ? "::[%*s]:%d%Z" : "::%*s:%d%Z",
                           len, addr, (int) call->s3->port);

        if (last == NULL || ngx_strcmp(p, last) != 0) {
            break;
        }
    }

    ngx_resolve_name_done(ctx);

    if (p == NULL) {
        rc = NGX_ERROR;

    } else {
        call->connect_to.data = (char *) p;
        call->transfer.connect_to = &call->connect_to;

        rc = ngx_tecken_s3_send(call);
    }

done:

    if (async && rc != NGX_AGAIN) {

        /*
         * Not from here: the resolver is amid a list of all that wait for
         * this name, and the op's handler may cancel others of them
         */

        call->ended = 1;
        ngx_post_event(&call->retry, &ngx_posted_events);
    }

    call->op->rc = rc;
}


static ngx_int_t
ngx_tecken_s3_send(ngx_tecken_s3_call_t *call)
{
    u_char                 *p;
    ngx_int_t               rc;
    ngx_msec_int_t          left;
    ngx_tecken_s3_t        *s3;
    ngx_tecken_transfer_t  *t;

    s3 = call->s3;
    t = &call->transfer;

    if (t->url == NULL) {
        p = ngx_pnalloc(call->op->pool, s3->scheme.len + s3->host.len
                                        + call->path.len + call->query.len
                                        + 2);
        if (p == NULL) {
            return NGX_ERROR;
        }

        t->url = (char *) p;

        p = ngx_cpymem(p, s3->scheme.data, s3->scheme.len);
        p = ngx_cpymem(p, s3->host.data, s3->host.len);
        p = ngx_cpymem(p, call->path.data, call->path.len);

        if (call->query.len) {
            *p++ = '?';
            p = ngx_cpymem(p, call->query.data, call->query.len);
        }

        *p = '\0';
    }

    if (s3->naddrs) {
        t->connect_to = &s3->addrs[s3->next++ % s3->naddrs];
    }

    t->method = call->method;
    t->ca_file = s3->ca.len ? (char *) s3->ca.data : NULL;
    t->share = &s3->share;
    t->log = call->op->log;
    t->data = call;
    t->header = ngx_tecken_s3_header;
    t->done = ngx_tecken_s3_done;

    t->connect_timeout = s3->connect_timeout;
    t->idle_timeout = s3->timeout;

    if (call->whole) {
        left = (ngx_msec_int_t) (call->ends - ngx_current_msec);
        t->timeout = ngx_min(s3->timeout, (ngx_msec_t) ngx_max(left, 1));
    }

    t->status = 0;
    t->timed_out = 0;
    t->sent = 0;
    t->header_size = 0;
    t->answered = 0;
    t->progress = 0;
    t->paused = 0;
    t->curl_error[0] = '\0';
    t->error[0] = '\0';

    call->date = 0;
    call->body.len = 0;
    call->given = 0;
    call->page = 0;
    call->resumed = (call->received != 0);
    call->framed = 0;
    call->rest = 0;
    call->changed = 0;

    if (t->upload < 0 && call->received == 0) {
        ngx_memzero(&call->op->object, sizeof(ngx_tecken_object_t));
        call->op->object.size = -1;
        call->op->object.mtime = (time_t) -1;
        call->op->object.original_size = -1;
    }

    if (ngx_tecken_s3_headers(call) != NGX_OK) {
        curl_slist_free_all(t->headers);
        t->headers = NULL;
        return NGX_ERROR;
    }

    rc = ngx_tecken_transfer_start(t);

    if (rc == NGX_OK) {
        return NGX_AGAIN;
    }

    (void) ngx_tecken_s3_error(call, rc == NGX_BUSY ? "out of connections"
                                                    : "out of memory");
    return rc;
}


static ngx_int_t
ngx_tecken_s3_headers(ngx_tecken_s3_call_t *call)
{
    ngx_tecken_store_op_t  *op;

    op = call->op;

    if (call->resumed) {

        /* the rest of the same object, or nothing */

        if (ngx_tecken_s3_header_add(call, "Range: bytes=%O-",
                                     call->received)
            != NGX_OK
            || ngx_tecken_s3_header_add(call, "If-Match: %V",
                                        &op->object.etag)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (call->transfer.upload >= 0) {

        if (ngx_tecken_s3_header_add(call, "Expect:") != NGX_OK) {
            return NGX_ERROR;
        }

        if (op->object.content_type.len
            && ngx_tecken_s3_header_add(call, "Content-Type: %V",
                                        &op->object.content_type)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (op->object.content_encoding.len
            && ngx_tecken_s3_header_add(call, "Content-Encoding: %V",
                                        &op->object.content_encoding)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (call->content_md5.len
            && ngx_tecken_s3_header_add(call, "Content-MD5: %V",
                                        &call->content_md5)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (op->object.original_size >= 0
            && ngx_tecken_s3_header_add(call, "x-amz-meta-original_size: %O",
                                        op->object.original_size)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (op->object.original_md5.len
            && ngx_tecken_s3_header_add(call,
                                        "x-amz-meta-original_md5_hash: %V",
                                        &op->object.original_md5)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (call->s3->credentials) {
        return ngx_tecken_s3_sign(call);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_s3_header_add(ngx_tecken_s3_call_t *call, const char *fmt, ...)
{
    u_char             *p, *last, line[NGX_TECKEN_S3_HEADER_SIZE];
    va_list             args;
    struct curl_slist  *list;

    last = line + sizeof(line) - 1;

    va_start(args, fmt);
    p = ngx_vslprintf(line, last, fmt, args);
    va_end(args);

    *p = '\0';

    /* what has a line's end in it would be two headers */

    if (p == last || strpbrk((char *) line, CRLF)
        || ngx_strlen(line) != (size_t) (p - line))
    {
        return ngx_tecken_s3_error(call, "header \"%*s\" is too long or has a "
                                   "line's end in it",
                                   strcspn((char *) line, ":"), line);
    }

    list = curl_slist_append(call->transfer.headers, (char *) line);
    if (list == NULL) {
        return ngx_tecken_s3_error(call, "out of memory");
    }

    call->transfer.headers = list;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_s3_sign(ngx_tecken_s3_call_t *call)
{
    char                       date[TK_SIGV4_DATE_LEN];
    char                       auth[NGX_TECKEN_S3_ERROR_SIZE];
    size_t                     n;
    ssize_t                    len;
    ngx_str_t                  hash;
    tk_sigv4_t                 s;
    tk_header_t                signs[TK_SIGV4_MAX_HEADERS];
    ngx_tecken_s3_t           *s3;
    struct curl_slist         *h;
    ngx_tecken_credentials_t  *cr;

    s3 = call->s3;
    cr = s3->credentials;

    ngx_tecken_credentials_refresh(cr, call->op->log);

    /* all that was added so far is signed, but for "Expect:" */

    n = 0;

    for (h = call->transfer.headers; h; h = h->next) {

        signs[n].name.data = (uint8_t *) h->data;
        signs[n].name.len = ngx_strchr(h->data, ':') - h->data;
        signs[n].value.data = (uint8_t *) h->data + signs[n].name.len + 1;
        signs[n].value.len = ngx_strlen(h->data) - signs[n].name.len - 1;

        if (signs[n].value.len) {
            n++;
        }
    }

    if (call->transfer.upload < 0) {
        ngx_str_set(&hash, TK_SIGV4_EMPTY_HASH);

    } else if (call->op->sha256.len == TK_SIGV4_HASH_LEN) {
        hash = call->op->sha256;

    } else {
        ngx_str_set(&hash, TK_SIGV4_UNSIGNED_PAYLOAD);
    }

    ngx_memzero(&s, sizeof(tk_sigv4_t));

    s.credentials = &cr->keys;
    s.region.data = s3->region.data;
    s.region.len = s3->region.len;
    s.service.data = (u_char *) "s3";
    s.service.len = 2;
    s.now = ngx_time() + s3->skew;
    s.method.data = (u_char *) call->method;
    s.method.len = ngx_strlen(call->method);
    s.host.data = s3->host.data;
    s.host.len = s3->host.len;
    s.path.data = call->path.data;
    s.path.len = call->path.len;
    s.query.data = call->query.data;
    s.query.len = call->query.len;
    s.headers = signs;
    s.nheaders = n;
    s.payload_hash.data = hash.data;
    s.payload_hash.len = hash.len;

    len = tk_sigv4_sign(&s, &cr->signing, date, auth, sizeof(auth));
    if (len < 0) {
        return ngx_tecken_s3_error(call, "the signature is too long");
    }

    if (ngx_tecken_s3_header_add(call, "x-amz-date: %*s",
                                 (size_t) TK_SIGV4_DATE_LEN, date)
        != NGX_OK
        || ngx_tecken_s3_header_add(call, "x-amz-content-sha256: %V", &hash)
           != NGX_OK
        || ngx_tecken_s3_header_add(call, "Authorization: %*s",
                                    (size_t) len, auth)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (cr->keys.session_token.len) {
        return ngx_tecken_s3_header_add(call, "x-amz-security-token: %*s",
                                        cr->keys.session_token.len,
                                        cr->keys.session_token.data);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_s3_header(ngx_tecken_transfer_t *t, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_tecken_s3_call_t *call = t->data;

    ngx_tecken_object_t  *o;

    o = &call->op->object;

#define ngx_tecken_s3_is(s)                                                   \
    (name->len == sizeof(s) - 1                                               \
     && ngx_strncasecmp(name->data, (u_char *) s, sizeof(s) - 1) == 0)

    if (ngx_tecken_s3_is("date")) {
        call->date = ngx_parse_http_time(value->data, value->len);
        return NGX_OK;
    }

    if (t->upload >= 0) {

        if (ngx_tecken_s3_is("etag")) {
            return ngx_tecken_s3_copy(call, &o->etag, value);
        }

        if (ngx_tecken_s3_is("x-amz-server-side-encryption")) {
            call->kms = (value->len != 6);    /* "AES256" keeps an MD5 */
        }

        return NGX_OK;
    }

    if (ngx_tecken_s3_is("content-length")
        || ngx_tecken_s3_is("transfer-encoding"))
    {
        call->framed = 1;
    }

    if (call->resumed) {

        /* not all servers know If-Match, some start elsewhere */

        if (ngx_tecken_s3_is("etag")) {
            call->changed = (value->len != o->etag.len
                             || ngx_memcmp(value->data, o->etag.data,
                                           value->len) != 0);

        } else if (ngx_tecken_s3_is("content-range")) {
            call->rest = ngx_tecken_s3_range(call, value);
        }

        return NGX_OK;
    }

    if (ngx_tecken_s3_is("content-length")) {
        o->size = ngx_atoof(value->data, value->len);

    } else if (ngx_tecken_s3_is("last-modified")) {
        o->mtime = ngx_parse_http_time(value->data, value->len);

    } else if (ngx_tecken_s3_is("etag")) {
        return ngx_tecken_s3_copy(call, &o->etag, value);

    } else if (ngx_tecken_s3_is("content-type")) {
        return ngx_tecken_s3_copy(call, &o->content_type, value);

    } else if (ngx_tecken_s3_is("content-encoding")) {
        return ngx_tecken_s3_copy(call, &o->content_encoding, value);

    } else if (ngx_tecken_s3_is("x-amz-meta-original_size")
               || ngx_tecken_s3_is("x-amz-meta-original-size"))
    {
        o->original_size = ngx_atoof(value->data, value->len);

    } else if (ngx_tecken_s3_is("x-amz-meta-original_md5_hash")
               || ngx_tecken_s3_is("x-amz-meta-original-md5-hash"))
    {
        return ngx_tecken_s3_copy(call, &o->original_md5, value);
    }

    return NGX_OK;
}


/* "bytes 100-999/1000" begins at what was asked for */

static ngx_uint_t
ngx_tecken_s3_range(ngx_tecken_s3_call_t *call, ngx_str_t *value)
{
    size_t   len;
    u_char  *dash;

    len = sizeof("bytes ") - 1;

    if (value->len < len
        || ngx_strncasecmp(value->data, (u_char *) "bytes ", len) != 0)
    {
        return 0;
    }

    dash = ngx_strlchr(value->data + len, value->data + value->len, '-');

    return (dash != NULL
            && ngx_atoof(value->data + len, dash - value->data - len)
               == call->received);
}


static ngx_int_t
ngx_tecken_s3_copy(ngx_tecken_s3_call_t *call, ngx_str_t *dst,
    ngx_str_t *value)
{
    dst->data = ngx_pstrdup(call->op->pool, value);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    dst->len = value->len;

    return NGX_OK;
}


static void
ngx_tecken_s3_done(ngx_tecken_transfer_t *t)
{
    ngx_tecken_s3_call_t *call = t->data;

    ngx_int_t  rc;

    call->op->status = t->status;

    rc = ngx_tecken_s3_verdict(call);

    if (rc != NGX_AGAIN) {
        ngx_tecken_s3_finish(call, rc);
    }
}


static ngx_int_t
ngx_tecken_s3_verdict(ngx_tecken_s3_call_t *call)
{
    ngx_uint_t              status;
    ngx_tecken_transfer_t  *t;

    t = &call->transfer;

    if (t->rc == NGX_BUSY) {
        (void) ngx_tecken_s3_error(call, "%s", t->error);
        return NGX_BUSY;
    }

    if (t->rc == NGX_ERROR) {
        (void) ngx_tecken_s3_error(call, "%s", t->error);

        if (call->op->rc == NGX_ABORT) {
            return NGX_ERROR;                 /* sink or source said stop */
        }

        return ngx_tecken_s3_again(call);
    }

    status = t->status;

    if (status / 100 == 2) {
        return call->answer(call);
    }

    if (status == 429 || status == 500 || (status >= 502 && status <= 504)) {
        (void) ngx_tecken_s3_error(call, "status %ui", status);
        return ngx_tecken_s3_again(call);
    }

    if (status == 404) {

        if (call->body.len
            && ngx_strlcasestrn(call->body.data,
                                call->body.data + call->body.len,
                                (u_char *) "NoSuchBucket", 12 - 1))
        {
            return ngx_tecken_s3_error(call, "status 404, there is no such "
                                       "bucket");
        }

        if (t->upload < 0) {
            return NGX_DECLINED;
        }
    }

    if (status == 403) {

        if (ngx_tecken_s3_skewed(call) == NGX_OK) {
            return ngx_tecken_s3_attempt(call);
        }

        /* what may not be listed and is not there is "forbidden", too */

        if (!call->s3->list && t->upload < 0) {
            return NGX_DECLINED;
        }

        return ngx_tecken_s3_error(call, "status 403, the bucket denies "
                                   "access to these credentials");
    }

    if (status / 100 == 3) {
        return ngx_tecken_s3_error(call, "status %ui, a redirect: check host, "
                                   "region and addressing of the storage",
                                   status);
    }

    return ngx_tecken_s3_error(call, "status %ui", status);
}


/* RequestTimeTooSkewed: trust the server's clock once, and from then on */

static ngx_int_t
ngx_tecken_s3_skewed(ngx_tecken_s3_call_t *call)
{
    time_t                  skew;
    ngx_tecken_store_op_t  *op;

    op = call->op;

    if (call->s3->credentials == NULL || call->skew_tried
        || call->date <= 0)
    {
        return NGX_DECLINED;
    }

    skew = call->date - ngx_time();

    if (ngx_abs(skew - call->s3->skew) < NGX_TECKEN_S3_SKEW) {
        return NGX_DECLINED;
    }

    call->skew_tried = 1;

    ngx_log_error(NGX_LOG_WARN, op->log, 0,
                  "storage \"%V\": its clock is %T s ahead of this host's, "
                  "requests are signed with its time",
                  &op->storage->name, skew);

    call->s3->skew = skew;

    if (call->transfer.sent
        && (op->rewind == NULL || op->rewind(op) != NGX_OK))
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_s3_again(ngx_tecken_s3_call_t *call)
{
    ngx_msec_t              delay;
    ngx_tecken_store_op_t  *op;

    op = call->op;

    if (op->attempts > call->s3->retries) {
        return NGX_ERROR;
    }

    if (call->transfer.sent) {
        if (op->rewind == NULL || op->rewind(op) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (call->received && op->object.etag.len == 0) {
        return NGX_ERROR;
    }

    delay = NGX_TECKEN_S3_BACKOFF << (op->attempts - 1);
    delay = ngx_min(delay, NGX_TECKEN_S3_MAX_BACKOFF);
    delay = delay / 2 + ngx_random() % (delay / 2 + 1);

    if ((ngx_msec_int_t) (call->ends - ngx_current_msec - delay) <= 0) {
        return NGX_ERROR;
    }

    ngx_log_error(NGX_LOG_INFO, op->log, 0,
                  "storage \"%V\": %V, attempt %ui, next in %M ms",
                  &op->storage->name, &op->error, op->attempts, delay);

    ngx_add_timer(&call->retry, delay);

    return NGX_AGAIN;
}


static void
ngx_tecken_s3_retry(ngx_event_t *ev)
{
    ngx_tecken_s3_call_t *call = ev->data;

    ngx_int_t  rc;

    rc = call->ended ? call->op->rc : ngx_tecken_s3_attempt(call);

    if (rc != NGX_AGAIN) {
        ngx_tecken_s3_finish(call, rc);
    }
}


static void
ngx_tecken_s3_finish(ngx_tecken_s3_call_t *call, ngx_int_t rc)
{
    call->op->rc = rc;
    call->op->active = 0;

    call->op->handler(call->op);
}


ngx_int_t
ngx_tecken_s3_error(ngx_tecken_s3_call_t *call, const char *fmt, ...)
{
    size_t                  len;
    u_char                 *p, *last;
    va_list                 args;
    ngx_tecken_store_op_t  *op;

    op = call->op;

    /* one buffer for all attempts */

    if (op->error.data == NULL) {
        op->error.data = ngx_pnalloc(op->pool, NGX_TECKEN_S3_ERROR_SIZE);
        if (op->error.data == NULL) {
            return NGX_ERROR;
        }
    }

    last = op->error.data + NGX_TECKEN_S3_ERROR_SIZE;

    /* a long key must not push the reason out */

    len = ngx_min(call->path.len, NGX_TECKEN_S3_ERROR_PATH);

    p = ngx_slprintf(op->error.data, last, "%s %V%V%*s%s: ", call->method,
                     &call->s3->scheme, &call->s3->host, len, call->path.data,
                     len < call->path.len ? "..." : "");

    va_start(args, fmt);
    p = ngx_vslprintf(p, last, fmt, args);
    va_end(args);

    op->error.len = p - op->error.data;

    return NGX_ERROR;
}
