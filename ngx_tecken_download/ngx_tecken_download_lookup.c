
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_download.h>


/*
 * A request has a slot for each source.  What a slot does not know from
 * shared memory a probe finds out: it owns the flight of that (storage, key)
 * and its HEAD, or waits for who owns it.  A probe outlives the request that
 * made it when its result is still good for others, so it has no memory of
 * the request's.
 */


#define NGX_TECKEN_VALUE_MISSING    0
#define NGX_TECKEN_VALUE_FOUND      1

#define NGX_TECKEN_LOOKUP_SLACK     1000     /* ms beyond a storage's own */
#define NGX_TECKEN_FIND_TRIES       3


struct ngx_tecken_download_probe_s {
    ngx_tecken_flight_t                    flight;
    ngx_tecken_cache_t                    *cache;
    ngx_tecken_storage_t                  *storage;
    ngx_tecken_store_op_t                 *op;        /* the owner's */
    ngx_tecken_download_slot_t            *slot;      /* NULL: no request */
    ngx_tecken_download_source_metrics_t  *metrics;

    time_t                                 found;     /* lifetimes */
    time_t                                 missing;
    uint64_t                               started;

    size_t                                 len;
    u_char                                 key[1];
};


static ngx_int_t ngx_tecken_download_slots(ngx_tecken_download_ctx_t *ctx);
static ngx_uint_t ngx_tecken_download_known(ngx_tecken_download_ctx_t *ctx,
    ngx_tecken_cache_key_t *base);
static ngx_int_t ngx_tecken_download_find(ngx_tecken_download_ctx_t *ctx,
    ngx_tecken_storage_t *st);
static ngx_int_t ngx_tecken_download_ask(ngx_tecken_download_slot_t *slot,
    ngx_tecken_cache_key_t *base);
static ngx_int_t ngx_tecken_download_head(ngx_tecken_download_probe_t *p);
static ngx_int_t ngx_tecken_download_result(ngx_tecken_download_probe_t *p,
    ngx_tecken_store_op_t *op);
static void ngx_tecken_download_head_handler(ngx_tecken_store_op_t *op);
static void ngx_tecken_download_flight_handler(ngx_tecken_flight_t *f);
static void ngx_tecken_download_told(ngx_tecken_download_probe_t *p,
    ngx_int_t rc);
static ngx_int_t ngx_tecken_download_verdict(ngx_tecken_download_ctx_t *ctx);
static void ngx_tecken_download_finalize(ngx_tecken_download_ctx_t *ctx,
    ngx_int_t rc);
static void ngx_tecken_download_detach(ngx_tecken_download_ctx_t *ctx);
static void ngx_tecken_download_abandon(void *data);


ngx_int_t
ngx_tecken_download_lookup(ngx_tecken_download_ctx_t *ctx)
{
    ngx_int_t                rc;
    ngx_uint_t               i, n;
    ngx_http_cleanup_t      *cln;
    ngx_http_request_t      *r;
    ngx_tecken_cache_key_t   base;
    ngx_tecken_main_conf_t  *tmcf;

    r = ctx->request;

    if (ngx_tecken_download_slots(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    tmcf = ngx_http_get_module_main_conf(r, ngx_tecken_common_module);

    ngx_tecken_cache_key(tmcf->cache, &base, ctx->key.data, ctx->key.len);

    /* what is known may make it needless to ask */

    n = ngx_tecken_download_known(ctx, &base);

    rc = ngx_tecken_download_verdict(ctx);

    if (rc != NGX_AGAIN) {
        ctx->cached = 1;
        return rc;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_tecken_download_abandon;
    cln->data = ctx;

    for (i = 0; i < n; i++) {

        if (ctx->slots[i].rc != NGX_AGAIN) {
            continue;
        }

        if (ngx_tecken_download_ask(&ctx->slots[i], &base) != NGX_OK) {
            ngx_tecken_download_detach(ctx);
            return NGX_ERROR;
        }
    }

    rc = ngx_tecken_download_verdict(ctx);

    if (rc != NGX_AGAIN) {
        ngx_tecken_download_detach(ctx);
        return rc;
    }

    ctx->waiting = 1;
    r->read_event_handler = ngx_http_test_reading;

    if (r->connection->read->pending_eof) {

        /* the client's end came with its request, no event will tell again */

        ngx_post_event(r->connection->read, &ngx_posted_events);
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_tecken_download_slots(ngx_tecken_download_ctx_t *ctx)
{
    ngx_uint_t                   i, n;
    ngx_http_request_t          *r;
    ngx_tecken_storage_t       **st;
    ngx_tecken_loc_conf_t       *tlcf;
    ngx_tecken_download_slot_t  *slot;

    r = ctx->request;

    tlcf = ngx_http_get_module_loc_conf(r, ngx_tecken_common_module);

    st = tlcf->sources->elts;
    n = tlcf->sources->nelts;

    slot = ngx_pcalloc(r->pool, (n + 1) * sizeof(ngx_tecken_download_slot_t));
    if (slot == NULL) {
        return NGX_ERROR;
    }

    ctx->slots = slot;

    for (i = 0; i < n; i++) {

        /* the try source is last, wherever else it is named */

        if (ctx->symbol.try && st[i] == tlcf->try_source) {
            continue;
        }

        slot->storage = st[i];
        slot->ctx = ctx;
        slot->rc = NGX_AGAIN;
        slot++;
    }

    if (ctx->symbol.try && tlcf->try_source) {
        slot->storage = tlcf->try_source;
        slot->ctx = ctx;
        slot->rc = NGX_AGAIN;
        slot++;
    }

    ctx->nslots = slot - ctx->slots;

    return NGX_OK;
}


/*
 * Fills in what needs no request to a source.  Returns the number of slots
 * that matter: those after one that has the object do not.
 */

static ngx_uint_t
ngx_tecken_download_known(ngx_tecken_download_ctx_t *ctx,
    ngx_tecken_cache_key_t *base)
{
    ngx_uint_t                             i, value;
    ngx_http_request_t                    *r;
    ngx_tecken_storage_t                  *st;
    ngx_tecken_cache_key_t                 key;
    ngx_tecken_main_conf_t                *tmcf;
    ngx_tecken_download_slot_t            *slot;
    ngx_tecken_download_source_metrics_t  *metrics;

    r = ctx->request;

    tmcf = ngx_http_get_module_main_conf(r, ngx_tecken_common_module);

    for (i = 0; i < ctx->nslots; i++) {

        slot = &ctx->slots[i];
        st = slot->storage;
        metrics = ngx_tecken_download_source_metrics(r, st);

        if (st->type == NGX_TECKEN_STORAGE_FILE) {

            /* the file system is its own cache */

            slot->rc = ngx_tecken_download_find(ctx, st);

            if (slot->rc == NGX_ERROR) {
                ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                              "symbol lookup of \"%V\" in \"%V\" failed",
                              &ctx->key, &st->name);
            }

            ngx_tecken_metrics_count(slot->rc == NGX_OK
                                     ? &metrics->found
                                     : slot->rc == NGX_DECLINED
                                       ? &metrics->missing
                                       : &metrics->failed, 1);

        } else if (!ctx->refresh) {

            ngx_tecken_cache_key_mix(&key, base, st->id);

            if (ngx_tecken_cache_get(tmcf->cache, &key, &value) == NGX_OK) {
                slot->cached = 1;
                slot->rc = (value == NGX_TECKEN_VALUE_FOUND) ? NGX_OK
                                                             : NGX_DECLINED;
                ngx_tecken_metrics_count(&metrics->hit, 1);

            } else {
                ngx_tecken_metrics_count(&metrics->miss, 1);
            }
        }

        if (slot->rc == NGX_OK) {
            return i + 1;
        }
    }

    return ctx->nslots;
}


/*
 * What can not be read must not hide another source's, so the file is opened
 * here.  A put may come between its metadata and its bytes: these must be of
 * the same object.
 */

static ngx_int_t
ngx_tecken_download_find(ngx_tecken_download_ctx_t *ctx,
    ngx_tecken_storage_t *st)
{
    ngx_int_t            rc;
    ngx_uint_t           tries;
    ngx_http_request_t  *r;

    r = ctx->request;

    for (tries = 0; tries < NGX_TECKEN_FIND_TRIES; tries++) {

        rc = ngx_tecken_store_file_find(st, r->pool, &ctx->key, &ctx->file,
                                        &ctx->object, r->connection->log);

        if (rc != NGX_OK || st->public_url.len) {
            return rc;
        }

        rc = ngx_tecken_download_open(ctx);

        if (rc == NGX_ERROR
            || (rc == NGX_OK && ctx->of.size == ctx->object.size
                && ctx->of.mtime == ctx->object.mtime))
        {
            return rc;
        }
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "\"%V\" changes all the time", &ctx->file);

    return NGX_ERROR;
}


static ngx_int_t
ngx_tecken_download_ask(ngx_tecken_download_slot_t *slot,
    ngx_tecken_cache_key_t *base)
{
    ngx_int_t                     rc;
    ngx_str_t                    *key;
    ngx_http_request_t           *r;
    ngx_tecken_loc_conf_t        *tlcf;
    ngx_tecken_main_conf_t       *tmcf;
    ngx_tecken_download_probe_t  *p;

    r = slot->ctx->request;
    key = &slot->ctx->key;

    tmcf = ngx_http_get_module_main_conf(r, ngx_tecken_common_module);
    tlcf = ngx_http_get_module_loc_conf(r, ngx_tecken_common_module);

    p = ngx_calloc(sizeof(ngx_tecken_download_probe_t) + key->len,
                   r->connection->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    p->len = key->len;
    ngx_memcpy(p->key, key->data, key->len);

    p->cache = tmcf->cache;
    p->storage = slot->storage;
    p->slot = slot;
    p->metrics = ngx_tecken_download_source_metrics(r, slot->storage);
    p->found = tlcf->valid_found;
    p->missing = tlcf->valid_missing;

    ngx_tecken_cache_key_mix(&p->flight.key, base, slot->storage->id);

    p->flight.handler = ngx_tecken_download_flight_handler;
    p->flight.data = p;

    slot->probe = p;

    rc = ngx_tecken_flight_join(p->cache, &p->flight,
                                slot->storage->deadline
                                + NGX_TECKEN_LOOKUP_SLACK,
                                slot->ctx->refresh);

    if (rc == NGX_DONE) {
        rc = ngx_tecken_download_head(p);

    } else if (rc == NGX_OK) {
        rc = (p->flight.value == NGX_TECKEN_VALUE_FOUND) ? NGX_OK
                                                         : NGX_DECLINED;
    }

    if (rc != NGX_AGAIN) {
        slot->rc = rc;
        slot->probe = NULL;
        ngx_free(p);
    }

    return NGX_OK;
}


/* as ngx_tecken_store_head(); the flight has ended unless NGX_AGAIN */

static ngx_int_t
ngx_tecken_download_head(ngx_tecken_download_probe_t *p)
{
    ngx_int_t               rc;
    ngx_str_t               key;
    ngx_tecken_store_op_t  *op;

    key.len = p->len;
    key.data = p->key;

    p->started = ngx_tecken_usec();

    /* the lookup may outlive the connection that asks for it */

    op = ngx_tecken_store_op_create(p->storage, &key, ngx_cycle->log);

    if (op == NULL) {
        ngx_tecken_flight_fail(p->cache, &p->flight);
        return NGX_ERROR;
    }

    op->handler = ngx_tecken_download_head_handler;
    op->data = p;

    op->rc = ngx_tecken_store_head(op);

    if (op->rc == NGX_AGAIN) {
        p->op = op;
        return NGX_AGAIN;
    }

    rc = ngx_tecken_download_result(p, op);

    ngx_tecken_store_op_destroy(op);

    return rc;
}


static ngx_int_t
ngx_tecken_download_result(ngx_tecken_download_probe_t *p,
    ngx_tecken_store_op_t *op)
{
    ngx_log_t  *log;
    ngx_str_t   key;

    ngx_tecken_metrics_observe(&p->metrics->time,
                               ngx_tecken_usec() - p->started);

    switch (op->rc) {

    case NGX_OK:
        ngx_tecken_metrics_count(&p->metrics->found, 1);
        ngx_tecken_flight_land(p->cache, &p->flight, NGX_TECKEN_VALUE_FOUND,
                               p->found);
        return NGX_OK;

    case NGX_DECLINED:
        ngx_tecken_metrics_count(&p->metrics->missing, 1);
        ngx_tecken_flight_land(p->cache, &p->flight, NGX_TECKEN_VALUE_MISSING,
                               p->missing);
        return NGX_DECLINED;

    default: /* NGX_ERROR, NGX_BUSY */
        ngx_tecken_metrics_count(&p->metrics->failed, 1);
        ngx_tecken_flight_fail(p->cache, &p->flight);
        break;
    }

    key.len = p->len;
    key.data = p->key;

    log = p->slot ? p->slot->ctx->request->connection->log : ngx_cycle->log;

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "symbol lookup of \"%V\" in \"%V\" failed after %ui "
                  "attempts: %V", &key, &p->storage->name, op->attempts,
                  &op->error);

    return NGX_ERROR;
}


static void
ngx_tecken_download_head_handler(ngx_tecken_store_op_t *op)
{
    ngx_tecken_download_probe_t *p = op->data;

    ngx_int_t  rc;

    rc = ngx_tecken_download_result(p, op);

    ngx_tecken_store_op_destroy(op);
    p->op = NULL;

    ngx_tecken_download_told(p, rc);
}


static void
ngx_tecken_download_flight_handler(ngx_tecken_flight_t *f)
{
    ngx_tecken_download_probe_t *p = f->data;

    ngx_int_t  rc;

    switch (f->rc) {

    case NGX_OK:
        rc = (f->value == NGX_TECKEN_VALUE_FOUND) ? NGX_OK : NGX_DECLINED;
        break;

    case NGX_DONE:

        /* the owner is gone, it is on us */

        rc = ngx_tecken_download_head(p);

        if (rc == NGX_AGAIN) {
            return;
        }

        break;

    default: /* NGX_ERROR: the owner has logged why */
        rc = NGX_ERROR;
        break;
    }

    ngx_tecken_download_told(p, rc);
}


static void
ngx_tecken_download_told(ngx_tecken_download_probe_t *p, ngx_int_t rc)
{
    ngx_tecken_download_ctx_t   *ctx;
    ngx_tecken_download_slot_t  *slot;

    slot = p->slot;

    ngx_free(p);

    if (slot == NULL) {
        return;
    }

    slot->rc = rc;
    slot->probe = NULL;

    ctx = slot->ctx;

    rc = ngx_tecken_download_verdict(ctx);

    if (rc != NGX_AGAIN && ctx->waiting) {
        ngx_tecken_download_finalize(ctx, rc);
    }
}


static ngx_int_t
ngx_tecken_download_verdict(ngx_tecken_download_ctx_t *ctx)
{
    ngx_uint_t                   i, failed;
    ngx_tecken_download_slot_t  *slot;

    failed = 0;

    for (i = 0; i < ctx->nslots; i++) {

        slot = &ctx->slots[i];

        switch (slot->rc) {

        case NGX_OK:
            ctx->source = slot->storage;
            return NGX_OK;

        case NGX_AGAIN:
            return NGX_AGAIN;

        case NGX_DECLINED:
            break;

        default: /* NGX_ERROR, NGX_BUSY */
            failed = 1;
            break;
        }
    }

    /* "missing" is what all of them say */

    return failed ? NGX_BUSY : NGX_DECLINED;
}


static void
ngx_tecken_download_finalize(ngx_tecken_download_ctx_t *ctx, ngx_int_t rc)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ctx->waiting = 0;
    ngx_tecken_download_detach(ctx);

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_finalize_request(r, ngx_tecken_download_done(ctx, rc));

    ngx_http_run_posted_requests(c);
}


/*
 * The request is through.  A lookup that it owns goes on, its result is
 * worth remembering; one that it only waits for it leaves.
 */

static void
ngx_tecken_download_detach(ngx_tecken_download_ctx_t *ctx)
{
    ngx_uint_t                    i;
    ngx_tecken_download_probe_t  *p;

    for (i = 0; i < ctx->nslots; i++) {

        p = ctx->slots[i].probe;

        if (p == NULL) {
            continue;
        }

        ctx->slots[i].probe = NULL;

        if (p->op) {
            p->slot = NULL;
            continue;
        }

        ngx_tecken_flight_leave(p->cache, &p->flight);
        ngx_free(p);
    }
}


/*
 * The client is gone.  What it owns passes to one who waits for the same
 * key; if there is none, nobody pays for it any more.
 */

static void
ngx_tecken_download_abandon(void *data)
{
    ngx_tecken_download_ctx_t *ctx = data;

    ngx_uint_t                    i;
    ngx_tecken_flight_t          *f;
    ngx_tecken_download_probe_t  *p, *heir;

    ctx->waiting = 0;

    for (i = 0; i < ctx->nslots; i++) {

        p = ctx->slots[i].probe;

        if (p == NULL) {
            continue;
        }

        ctx->slots[i].probe = NULL;

        if (p->op) {

            f = ngx_tecken_flight_inherit(p->cache, &p->flight);

            if (f) {
                heir = f->data;
                heir->op = p->op;
                heir->op->data = heir;
                heir->started = p->started;

                ngx_free(p);
                continue;
            }

            ngx_tecken_store_op_destroy(p->op);
        }

        ngx_tecken_flight_leave(p->cache, &p->flight);
        ngx_free(p);
    }
}
