
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

/* of a body: attempts that have brought so much were worth their while */
#define NGX_TECKEN_S3_PROGRESS     65536


static ngx_int_t ngx_tecken_s3_attempt(ngx_tecken_s3_call_t *call);
static ngx_int_t ngx_tecken_s3_resolve(ngx_tecken_s3_call_t *call);
static void ngx_tecken_s3_resolved(ngx_resolver_ctx_t *ctx);
static ngx_resolver_addr_t *ngx_tecken_s3_peer(ngx_tecken_s3_call_t *call,
    ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_tecken_s3_send(ngx_tecken_s3_call_t *call);
static ngx_int_t ngx_tecken_s3_target(ngx_tecken_s3_call_t *call);
static void ngx_tecken_s3_done(ngx_tecken_transfer_t *t);
static ngx_int_t ngx_tecken_s3_verdict(ngx_tecken_s3_call_t *call);
static void ngx_tecken_s3_code(ngx_tecken_s3_call_t *call, ngx_str_t *code);
static ngx_int_t ngx_tecken_s3_skewed(ngx_tecken_s3_call_t *call);
static ngx_int_t ngx_tecken_s3_unconditional(ngx_tecken_s3_call_t *call);
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
    call->forbidden = NGX_ERROR;

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
    ctx->timeout = (ngx_msec_t) ngx_max(left, 1);

    /* 0 would be no timer at all, and a quitting worker waits for timers */

    if (st->resolver_timeout) {
        ctx->timeout = ngx_min(ctx->timeout, st->resolver_timeout);
    }

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

    size_t                len;
    u_char               *p, addr[NGX_SOCKADDR_STRLEN];
    ngx_int_t             rc, state;
    ngx_uint_t            async;
    ngx_resolver_addr_t  *ra;

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

    ra = ngx_tecken_s3_peer(call, ctx);

    len = ngx_sock_ntop(ra->sockaddr, ra->socklen, addr, NGX_SOCKADDR_STRLEN,
                        0);

    ngx_resolve_name_done(ctx);

    p = ngx_pnalloc(call->op->pool, sizeof("::[]:65535") + len);

    if (p == NULL) {
        rc = NGX_ERROR;

    } else {
        (void) ngx_sprintf(p, ngx_strlchr(addr, addr + len, ':')
                              ? "::[%*s]:%d%Z" : "::%*s:%d%Z",
                           len, addr, (int) call->s3->port);

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


/* the resolver turns the list at random; an attempt goes on in its order */

static ngx_resolver_addr_t *
ngx_tecken_s3_peer(ngx_tecken_s3_call_t *call, ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t            i;
    ngx_resolver_addr_t  *ra;

    ra = &ctx->addrs[call->s3->next++ % ctx->naddrs];

    if (call->peer_len) {
        for (i = 0; i < ctx->naddrs; i++) {

            if (ngx_cmp_sockaddr(ctx->addrs[i].sockaddr, ctx->addrs[i].socklen,
                                 &call->peer.sockaddr, call->peer_len, 0)
                == NGX_OK)
            {
                ra = &ctx->addrs[(i + 1) % ctx->naddrs];
                break;
            }
        }
    }

    ngx_memcpy(&call->peer, ra->sockaddr, ra->socklen);
    call->peer_len = ra->socklen;

    return ra;
}


static ngx_int_t
ngx_tecken_s3_send(ngx_tecken_s3_call_t *call)
{
    ngx_int_t               rc;
    ngx_msec_int_t          left;
    ngx_tecken_s3_t        *s3;
    ngx_tecken_transfer_t  *t;

    s3 = call->s3;
    t = &call->transfer;

    if (t->target == NULL && ngx_tecken_s3_target(call) != NGX_OK) {
        return NGX_ERROR;
    }

    if (s3->naddrs) {
        call->addr = (call->op->attempts == 1) ? s3->next++ : call->addr + 1;
        t->connect_to = &s3->addrs[call->addr % s3->naddrs];
    }

    t->url = s3->url;
    t->parsed = s3->parsed;
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

    /* connections that have idled as long as one that failed may be as dead */
    t->fresh = (t->rc == NGX_ERROR);

    t->status = 0;
    t->timed_out = 0;
    t->sent = 0;
    t->header_size = 0;
    t->answered = 0;
    t->progress = 0;
    t->paused = 0;
    t->whole = 0;
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


/* path and query as they are sent */

static ngx_int_t
ngx_tecken_s3_target(ngx_tecken_s3_call_t *call)
{
    size_t                  size;
    u_char                 *p;
    ngx_tecken_transfer_t  *t;

    t = &call->transfer;

    size = call->path.len + call->query.len + 2;

    if (size > call->target.len) {

        /* the queries of a list's pages differ a little */

        size += call->query.len;

        p = ngx_pnalloc(call->op->pool, size);
        if (p == NULL) {
            return NGX_ERROR;
        }

        call->target.data = p;
        call->target.len = size;
    }

    t->target = (char *) call->target.data;

    p = ngx_cpymem(call->target.data, call->path.data, call->path.len);

    if (call->query.len) {
        *p++ = '?';
        p = ngx_cpymem(p, call->query.data, call->query.len);
    }

    *p = '\0';

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
    ngx_str_t               code;
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

    ngx_tecken_s3_code(call, &code);

    if (status == 429 || status == 500 || (status >= 502 && status <= 504)) {
        (void) ngx_tecken_s3_error(call, "status %ui%V", status, &code);
        return ngx_tecken_s3_again(call);
    }

    if (call->op->absent && t->upload >= 0) {

        if (status == 412) {
            return NGX_DECLINED;
        }

        /* another put of the same object is under way */

        if (status == 409) {
            (void) ngx_tecken_s3_error(call, "status 409%V", &code);
            return ngx_tecken_s3_again(call);
        }

        if (status == 501 && ngx_tecken_s3_unconditional(call) == NGX_OK) {
            return ngx_tecken_s3_attempt(call);
        }
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

        if (!call->s3->list && call->forbidden != NGX_ERROR) {
            return call->forbidden;
        }

        return ngx_tecken_s3_error(call, "status 403%V, the bucket denies "
                                   "access to these credentials", &code);
    }

    if (status / 100 == 3) {
        return ngx_tecken_s3_error(call, "status %ui%V, a redirect: check "
                                   "host, region and addressing of the "
                                   "storage", status, &code);
    }

    return ngx_tecken_s3_error(call, "status %ui%V", status, &code);
}


/* " SlowDown" of "<Error><Code>SlowDown</Code>...", or nothing */

static void
ngx_tecken_s3_code(ngx_tecken_s3_call_t *call, ngx_str_t *code)
{
    u_char  *p, *last;

    ngx_str_null(code);

    if (call->body.len == 0) {
        return;
    }

    last = call->body.data + call->body.len;

    p = ngx_strlcasestrn(call->body.data, last, (u_char *) "<Code>", 6 - 1);
    if (p == NULL) {
        return;
    }

    code->data = p + sizeof("<Code") - 1;
    code->data[0] = ' ';

    for (p = code->data + 1; p < last; p++) {
        if (!((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z')
            && !(*p >= '0' && *p <= '9'))
        {
            break;
        }
    }

    code->len = p - code->data;
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


/* NotImplemented: it knows no If-None-Match, as S3 itself before 2024 */

static ngx_int_t
ngx_tecken_s3_unconditional(ngx_tecken_s3_call_t *call)
{
    ngx_tecken_store_op_t  *op;

    op = call->op;

    if (call->s3->unconditional) {
        return NGX_DECLINED;
    }

    call->s3->unconditional = 1;

    ngx_log_error(NGX_LOG_WARN, op->log, 0,
                  "storage \"%V\" knows no If-None-Match: two crashes of "
                  "the same id are told apart only if one is there before the "
                  "other comes", &op->storage->name);

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
    ngx_uint_t              tries;
    ngx_tecken_store_op_t  *op;

    op = call->op;

    if (call->received - call->progress >= NGX_TECKEN_S3_PROGRESS) {

        /* a large body may be cut more often, and takes longer, than others */

        call->progress = call->received;
        call->worth = op->attempts - 1;
        call->ends = ngx_current_msec + call->s3->deadline;
    }

    tries = op->attempts - call->worth;

    if (tries > call->s3->retries) {
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

    delay = NGX_TECKEN_S3_BACKOFF << (tries - 1);
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
