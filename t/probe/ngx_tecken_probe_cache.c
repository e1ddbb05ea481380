
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * Calls of common/cache over HTTP, for the tests:
 *
 *     op=get key=K
 *     op=set key=K value=N ttl=SECONDS
 *     op=delete key=K
 *     op=join key=K timeout=MSEC refresh=1 again=1 hold=MSEC
 *             result=land|fail|leave value=N ttl=SECONDS
 *     op=status
 *     op=bench n=N
 *     op=kill
 *
 * An owner holds the flight for a while and then ends it as told.  With
 * again=1 a waiter that was woken joins once more from its handler.  kill is
 * the end of the worker amid a change of the table, with all lists broken.
 */


#include "ngx_tecken_probe.h"
#include <ngx_tecken_cache_sh.h>


typedef struct {
    ngx_http_request_t        *request;
    ngx_tecken_cache_t        *cache;
    ngx_tecken_flight_t        flight;
    ngx_event_t                hold;
    ngx_connection_t           dummy;

    ngx_msec_t                 timeout;
    ngx_msec_t                 msec;
    ngx_uint_t                 value;
    time_t                     ttl;
    ngx_str_t                  result;

    unsigned                   waited:1;
    unsigned                   again:1;
} ngx_tecken_probe_cache_ctx_t;


static ngx_int_t ngx_tecken_probe_cache_handler(ngx_http_request_t *r);
static ngx_int_t ngx_tecken_probe_cache_join(ngx_http_request_t *r,
    ngx_tecken_cache_t *cache, ngx_tecken_cache_key_t *key);
static void ngx_tecken_probe_cache_own(ngx_tecken_probe_cache_ctx_t *ctx);
static void ngx_tecken_probe_cache_woken(ngx_tecken_flight_t *f);
static void ngx_tecken_probe_cache_over(ngx_event_t *ev);
static void ngx_tecken_probe_cache_cleanup(void *data);
static void ngx_tecken_probe_cache_finish(ngx_tecken_probe_cache_ctx_t *ctx,
    const char *text);
static ngx_int_t ngx_tecken_probe_cache_status(ngx_http_request_t *r,
    ngx_tecken_cache_t *cache);
static ngx_int_t ngx_tecken_probe_cache_bench(ngx_http_request_t *r,
    ngx_tecken_cache_t *cache);
static uint64_t ngx_tecken_probe_cache_nsec(void);
static void ngx_tecken_probe_cache_kill(ngx_tecken_cache_t *cache);
static char *ngx_tecken_probe_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_tecken_probe_cache_commands[] = {

    { ngx_string("tecken_probe_cache"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_tecken_probe_cache,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_tecken_probe_cache_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_tecken_probe_cache_module = {
    NGX_MODULE_V1,
    &ngx_tecken_probe_cache_module_ctx,    /* module context */
    ngx_tecken_probe_cache_commands,       /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_tecken_probe_cache_handler(ngx_http_request_t *r)
{
    u_char                  *p, text[NGX_INT_T_LEN + 16];
    ngx_int_t                rc;
    ngx_str_t                op, name;
    ngx_uint_t               value;
    ngx_tecken_cache_t      *cache;
    ngx_tecken_cache_key_t   key;
    ngx_tecken_main_conf_t  *tmcf;

    tmcf = ngx_http_get_module_main_conf(r, ngx_tecken_common_module);
    cache = tmcf->cache;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_str_null(&op);
    ngx_str_null(&name);

    (void) ngx_http_arg(r, (u_char *) "op", 2, &op);
    (void) ngx_http_arg(r, (u_char *) "key", 3, &name);

    ngx_tecken_cache_key(cache, &key, name.data, name.len);

    switch (op.len ? op.data[0] : '\0') {

    case 'g':
        rc = ngx_tecken_cache_get(cache, &key, &value);

        if (rc == NGX_OK) {
            p = ngx_sprintf(text, "hit %ui\n", value);

        } else {
            p = ngx_sprintf(text, "miss\n");
        }

        return ngx_tecken_probe_send(r, text, p - text);

    case 'd':
        ngx_tecken_cache_set(cache, &key, 0, 0);
        return ngx_tecken_probe_send(r, (u_char *) "ok\n", 3);

    case 's':
        if (op.len > 3) {
            return ngx_tecken_probe_cache_status(r, cache);
        }

        ngx_tecken_cache_set(cache, &key,
                             ngx_tecken_probe_arg(r, "value", 1),
                             ngx_tecken_probe_arg(r, "ttl", 60));

        return ngx_tecken_probe_send(r, (u_char *) "ok\n", 3);

    case 'j':
        return ngx_tecken_probe_cache_join(r, cache, &key);

    case 'b':
        return ngx_tecken_probe_cache_bench(r, cache);

    case 'k':
        ngx_tecken_probe_cache_kill(cache);
        return NGX_ERROR;

    default:
        return NGX_HTTP_BAD_REQUEST;
    }
}


static ngx_int_t
ngx_tecken_probe_cache_join(ngx_http_request_t *r, ngx_tecken_cache_t *cache,
    ngx_tecken_cache_key_t *key)
{
    u_char                        *p, text[NGX_INT_T_LEN + 16];
    ngx_int_t                      rc;
    ngx_http_cleanup_t            *cln;
    ngx_tecken_probe_cache_ctx_t  *ctx;

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_tecken_probe_cache_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;
    ctx->cache = cache;

    ctx->timeout = ngx_tecken_probe_arg(r, "timeout", 5000);
    ctx->msec = ngx_tecken_probe_arg(r, "hold", 0);
    ctx->value = ngx_tecken_probe_arg(r, "value", 1);
    ctx->ttl = ngx_tecken_probe_arg(r, "ttl", 60);
    ctx->again = ngx_tecken_probe_arg(r, "again", 0) ? 1 : 0;

    ngx_str_set(&ctx->result, "land");
    (void) ngx_http_arg(r, (u_char *) "result", 6, &ctx->result);

    /* not r->connection: its data is another request in subrequests */

    ctx->dummy.fd = (ngx_socket_t) -1;
    ctx->dummy.data = ctx;

    ctx->hold.data = &ctx->dummy;
    ctx->hold.handler = ngx_tecken_probe_cache_over;
    ctx->hold.log = r->connection->log;

    ctx->flight.key = *key;
    ctx->flight.handler = ngx_tecken_probe_cache_woken;
    ctx->flight.data = ctx;

    rc = ngx_tecken_flight_join(cache, &ctx->flight, ctx->timeout,
                                ngx_tecken_probe_arg(r, "refresh", 0));

    if (rc == NGX_OK) {
        p = ngx_sprintf(text, "hit %ui\n", ctx->flight.value);
        return ngx_tecken_probe_send(r, text, p - text);
    }

    cln->handler = ngx_tecken_probe_cache_cleanup;
    cln->data = ctx;

    if (r == r->main) {
        r->read_event_handler = ngx_http_test_reading;
    }

    r->main->count++;

    if (rc == NGX_DONE) {
        ngx_tecken_probe_cache_own(ctx);
    }

    return NGX_DONE;
}


static void
ngx_tecken_probe_cache_own(ngx_tecken_probe_cache_ctx_t *ctx)
{
    ngx_add_timer(&ctx->hold, ctx->msec);
}


static void
ngx_tecken_probe_cache_woken(ngx_tecken_flight_t *f)
{
    u_char                        *p, text[NGX_INT_T_LEN + 16];
    ngx_int_t                      rc;
    ngx_tecken_probe_cache_ctx_t  *ctx;

    ctx = f->data;
    ctx->waited = 1;

    rc = f->rc;

    if (ctx->again && rc != NGX_DONE) {
        ctx->again = 0;

        rc = ngx_tecken_flight_join(ctx->cache, f, ctx->timeout, 1);

        if (rc == NGX_AGAIN) {
            return;
        }
    }

    switch (rc) {

    case NGX_DONE:
        ngx_tecken_probe_cache_own(ctx);
        return;

    case NGX_OK:
        p = ngx_sprintf(text, "waited ok %ui\n", f->value);
        *p = '\0';
        ngx_tecken_probe_cache_finish(ctx, (char *) text);
        return;

    default: /* NGX_ERROR */
        ngx_tecken_probe_cache_finish(ctx, "waited error\n");
        return;
    }
}


static void
ngx_tecken_probe_cache_over(ngx_event_t *ev)
{
    u_char                        *p, text[NGX_INT_T_LEN + 64];
    const char                    *end;
    ngx_connection_t              *c;
    ngx_tecken_probe_cache_ctx_t  *ctx;

    c = ev->data;
    ctx = c->data;

    p = ngx_sprintf(text, "%s", ctx->waited ? "waited then owner" : "owner");

    if (ctx->result.len == 5) {
        ngx_tecken_flight_leave(ctx->cache, &ctx->flight);
        end = " left\n";

    } else if (ctx->result.data[0] == 'f') {
        ngx_tecken_flight_fail(ctx->cache, &ctx->flight);
        end = " failed\n";

    } else {
        ngx_tecken_flight_land(ctx->cache, &ctx->flight, ctx->value, ctx->ttl);
        p = ngx_sprintf(p, " landed %ui", ctx->value);
        end = "\n";
    }

    p = ngx_sprintf(p, "%s", end);
    *p = '\0';

    ngx_tecken_probe_cache_finish(ctx, (char *) text);
}


static void
ngx_tecken_probe_cache_cleanup(void *data)
{
    ngx_tecken_probe_cache_ctx_t  *ctx = data;

    ngx_tecken_flight_leave(ctx->cache, &ctx->flight);

    if (ctx->hold.timer_set) {
        ngx_del_timer(&ctx->hold);
    }
}


static void
ngx_tecken_probe_cache_finish(ngx_tecken_probe_cache_ctx_t *ctx,
    const char *text)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_finalize_request(r, ngx_tecken_probe_send(r, (u_char *) text,
                                                       ngx_strlen(text)));

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_tecken_probe_cache_status(ngx_http_request_t *r, ngx_tecken_cache_t *cache)
{
    u_char                     *p, text[256];
    ngx_tecken_cache_status_t   status;

    ngx_tecken_cache_status(cache, &status);

    p = ngx_sprintf(text, "capacity %ui\nkeys %ui\nflights %ui\n"
                    "evictions %ui\nresets %ui\nbytes %uz\npid %P\n",
                    status.capacity, status.keys, status.flights,
                    status.evictions, status.resets, status.bytes, ngx_pid);

    return ngx_tecken_probe_send(r, text, p - text);
}


/* nanoseconds per call, n keys; the worker does nothing else meanwhile */

static ngx_int_t
ngx_tecken_probe_cache_bench(ngx_http_request_t *r, ngx_tecken_cache_t *cache)
{
    u_char                     *p, text[256];
    uint64_t                    t[5];
    ngx_int_t                   i, j, n;
    ngx_uint_t                  hits, value;
    ngx_tecken_cache_key_t      key, k;
    ngx_tecken_cache_status_t   before, after;

    n = ngx_max(ngx_tecken_probe_arg(r, "n", 1000), 1);

    ngx_tecken_cache_status(cache, &before);

    t[0] = ngx_tecken_probe_cache_nsec();

    for (i = 0; i < n; i++) {
        ngx_tecken_cache_key(cache, &key, (u_char *) &i, sizeof(i));
    }

    t[1] = ngx_tecken_probe_cache_nsec();

    /* as if hashed: bits spread by an odd factor */

    for (i = 0; i < n; i++) {
        k.h[0] = key.h[0] ^ ((uint64_t) i * 0x9e3779b97f4a7c15);
        k.h[1] = key.h[1] + i;
        ngx_tecken_cache_set(cache, &k, i & 0xffff, 3600);
    }

    t[2] = ngx_tecken_probe_cache_nsec();

    for (i = 0, j = 0, hits = 0; i < n; i++) {
        j = (j + 7919) % n;
        k.h[0] = key.h[0] ^ ((uint64_t) j * 0x9e3779b97f4a7c15);
        k.h[1] = key.h[1] + j;

        if (ngx_tecken_cache_get(cache, &k, &value) == NGX_OK) {

            if (value != (ngx_uint_t) (j & 0xffff)) {
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }

            hits++;
        }
    }

    t[3] = ngx_tecken_probe_cache_nsec();

    for (i = 0; i < n; i++) {
        (void) ngx_tecken_cache_get(cache, &k, &value);
    }

    t[4] = ngx_tecken_probe_cache_nsec();

    ngx_tecken_cache_status(cache, &after);

    p = ngx_sprintf(text, "key %uL\nset %uL\nget %uL\nget_hot %uL\n"
                    "hits %ui\nevictions %ui\nkeys %ui\nbytes_per_key %.2f\n",
                    (t[1] - t[0]) / n, (t[2] - t[1]) / n, (t[3] - t[2]) / n,
                    (t[4] - t[3]) / n, hits,
                    after.evictions - before.evictions, after.keys,
                    (double) after.bytes / after.capacity);

    return ngx_tecken_probe_send(r, text, p - text);
}


static uint64_t
ngx_tecken_probe_cache_nsec(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


static void
ngx_tecken_probe_cache_kill(ngx_tecken_cache_t *cache)
{
    uint32_t                i;
    ngx_tecken_cache_sh_t  *sh;

    ngx_tecken_cache_lock(cache);

    sh = cache->sh;

    ngx_tecken_cache_change(sh);

    /* who walks any of these walks for ever */

    for (i = 0; i <= sh->fresh; i++) {
        ngx_tecken_cache_node(sh, i)->chain = i;
        ngx_tecken_cache_node(sh, i)->next = i;
        ngx_tecken_cache_node(sh, i)->prev = i;
    }

    (void) raise(SIGKILL);
}


static char *
ngx_tecken_probe_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_tecken_probe_handle(cf, ngx_tecken_probe_cache_handler);
}
