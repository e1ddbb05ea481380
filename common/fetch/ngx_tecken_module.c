
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_fetch.h>

#include <tk_symbol.h>


/*
 * Those that want a symcache.  What is not in the directory nor known to be
 * missing is a fetch, one for each key in a worker, and its flight makes one
 * of all workers' fetches do the work.
 */


/* those that wait have limits of their own */
#define NGX_TECKEN_FETCH_PATIENCE  (24 * 3600 * 1000)

/* results given out in one turn of the event loop */
#define NGX_TECKEN_MODULE_BATCH    64

#define NGX_TECKEN_MODULE_MAX_KEY  1024

/* state of ngx_tecken_module_t */
#define NGX_TECKEN_MODULE_IDLE     0
#define NGX_TECKEN_MODULE_OPENING  1
#define NGX_TECKEN_MODULE_WAITING  2
#define NGX_TECKEN_MODULE_READY    3


#define ngx_tecken_fetch_bucket(main, key)                                    \
    (&(main)->fetches[(key)->h[0] & (NGX_TECKEN_FETCH_BUCKETS - 1)])


static void ngx_tecken_module_text(u_char *dst, ngx_str_t *debug_file,
    ngx_str_t *debug_id, ngx_str_t *symbol, ngx_str_t *id);
static ngx_int_t ngx_tecken_module_symbol(ngx_tecken_module_t *m);
static void ngx_tecken_module_opened(ngx_tecken_symcache_op_t *op);
static ngx_int_t ngx_tecken_module_known(ngx_tecken_module_t *m,
    ngx_int_t rc);
static ngx_int_t ngx_tecken_module_end(ngx_tecken_module_t *m, ngx_int_t rc);
static ngx_int_t ngx_tecken_module_fetch(ngx_tecken_module_t *m);
static ngx_tecken_fetch_t *ngx_tecken_module_find(
    ngx_tecken_fetch_main_t *main, ngx_tecken_cache_key_t *key);
static ngx_tecken_fetch_t *ngx_tecken_module_create(ngx_tecken_module_t *m,
    ngx_tecken_cache_key_t *key);
static ngx_int_t ngx_tecken_module_value(ngx_tecken_module_t *m,
    ngx_uint_t value);


ngx_int_t
ngx_tecken_module_get(ngx_tecken_module_t *m)
{
    ngx_int_t  rc;

    m->started = ngx_tecken_usec();
    m->state = NGX_TECKEN_MODULE_IDLE;
    m->ref = NULL;
    m->hit = 0;

    ngx_str_null(&m->source);
    ngx_memzero(&m->stat, sizeof(ngx_tecken_module_stat_t));

    rc = ngx_tecken_module_symbol(m);

    if (rc != NGX_OK) {
        m->hit = 1;
        return ngx_tecken_module_end(m, rc);
    }

    m->open.handler = ngx_tecken_module_opened;
    m->open.data = m;

    rc = ngx_tecken_symcache_open(m->conf->path, &m->key, &m->open, m->log);

    if (rc == NGX_AGAIN) {
        m->state = NGX_TECKEN_MODULE_OPENING;
        return NGX_AGAIN;
    }

    rc = ngx_tecken_module_known(m, rc);

    return (rc == NGX_AGAIN) ? NGX_AGAIN : ngx_tecken_module_end(m, rc);
}


void
ngx_tecken_module_release(ngx_tecken_module_t *m)
{
    ngx_tecken_fetch_t  *f;

    switch (m->state) {

    case NGX_TECKEN_MODULE_OPENING:
        ngx_tecken_symcache_cancel(&m->open);
        break;

    case NGX_TECKEN_MODULE_WAITING:
        f = m->fetch;
        ngx_queue_remove(&m->queue);

        /* the owner's work is worth to be done */

        if (!f->owner && ngx_queue_empty(&f->modules)) {
            ngx_tecken_fetch_free(f);
        }

        break;

    case NGX_TECKEN_MODULE_READY:
        ngx_queue_remove(&m->queue);
        break;

    default: /* NGX_TECKEN_MODULE_IDLE */
        break;
    }

    m->state = NGX_TECKEN_MODULE_IDLE;

    if (m->ref) {
        ngx_tecken_symcache_close(m->ref);
        m->ref = NULL;
    }
}


void
ngx_tecken_symcache_invalidate(ngx_tecken_fetch_main_t *main,
    ngx_str_t *debug_file, ngx_str_t *debug_id)
{
    u_char                      text[NGX_TECKEN_MODULE_MAX_KEY];
    ngx_str_t                   symbol, id;
    ngx_uint_t                  i, j;
    ngx_tecken_cache_key_t      base, flight;
    ngx_tecken_module_conf_t  **conf;
    ngx_tecken_symcache_key_t   key;

    if (debug_file->len + 1 + debug_id->len > sizeof(text)) {
        return;
    }

    ngx_tecken_module_text(text, debug_file, debug_id, &symbol, &id);

    ngx_tecken_cache_key(main->cache, &base, symbol.data, symbol.len);

    conf = main->confs.elts;

    /* from here on nobody joins a build that may have read the old .sym */

    for (i = 0; i < main->confs.nelts; i++) {
        ngx_tecken_cache_key_mix(&flight, &base, conf[i]->flight);
        ngx_tecken_cache_set(main->cache, &flight, 0, 0);
    }

    for (i = 0; i < main->confs.nelts; i++) {

        for (j = 0; j < i; j++) {
            if (conf[j]->path == conf[i]->path) {
                break;
            }
        }

        if (j == i) {
            ngx_tecken_symcache_key(&key, debug_file, &id, conf[i]->id);
            ngx_tecken_symcache_delete(conf[i]->path, &key, ngx_cycle->log);
        }
    }
}


/* "<debug file>/<DEBUG ID>" */

static void
ngx_tecken_module_text(u_char *dst, ngx_str_t *debug_file,
    ngx_str_t *debug_id, ngx_str_t *symbol, ngx_str_t *id)
{
    u_char      *p;
    ngx_uint_t   i;

    p = ngx_cpymem(dst, debug_file->data, debug_file->len);
    *p++ = '/';

    id->data = p;
    id->len = debug_id->len;

    for (i = 0; i < debug_id->len; i++) {
        *p++ = ngx_toupper(debug_id->data[i]);
    }

    symbol->data = dst;
    symbol->len = p - dst;
}


/* m->key; NGX_DECLINED: no source can have such a module */

static ngx_int_t
ngx_tecken_module_symbol(ngx_tecken_module_t *m)
{
    u_char       text[NGX_TECKEN_MODULE_MAX_KEY];
    ngx_str_t    symbol, id;
    ngx_uint_t   i;
    tk_symbol_t  s;

    if (m->debug_file.len == 0 || m->debug_id.len == 0
        || 2 * m->debug_file.len + m->debug_id.len + sizeof("//.sym")
           > NGX_TECKEN_MODULE_MAX_KEY)
    {
        return NGX_DECLINED;
    }

    if (ngx_strlchr(m->debug_file.data,
                    m->debug_file.data + m->debug_file.len, '/'))
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < m->debug_id.len; i++) {
        if (ngx_hextoi(&m->debug_id.data[i], 1) == NGX_ERROR) {
            return NGX_DECLINED;
        }
    }

    ngx_memzero(&s, sizeof(tk_symbol_t));

    s.debug_file.len = m->debug_file.len;
    s.debug_file.data = m->debug_file.data;

    if (!tk_symbol_valid(&s)) {
        return NGX_DECLINED;
    }

    ngx_tecken_module_text(text, &m->debug_file, &m->debug_id, &symbol, &id);
    ngx_tecken_symcache_key(&m->key, &m->debug_file, &id, m->conf->id);

    return NGX_OK;
}


static void
ngx_tecken_module_opened(ngx_tecken_symcache_op_t *op)
{
    ngx_tecken_module_t *m = op->data;

    ngx_int_t  rc;

    m->state = NGX_TECKEN_MODULE_IDLE;

    rc = ngx_tecken_module_known(m, op->rc);

    if (rc != NGX_AGAIN) {
        (void) ngx_tecken_module_end(m, rc);
        m->handler(m);
    }
}


/* what the directory, and then shared memory, say */

static ngx_int_t
ngx_tecken_module_known(ngx_tecken_module_t *m, ngx_int_t rc)
{
    if (rc == NGX_DECLINED) {
        return ngx_tecken_module_fetch(m);
    }

    if (rc == NGX_OK) {
        m->ref = m->open.ref;
        m->hit = 1;
    }

    return rc;
}


static ngx_int_t
ngx_tecken_module_end(ngx_tecken_module_t *m, ngx_int_t rc)
{
    m->rc = rc;
    m->usec = ngx_tecken_usec() - m->started;

    return rc;
}


static ngx_int_t
ngx_tecken_module_fetch(ngx_tecken_module_t *m)
{
    u_char                    text[NGX_TECKEN_MODULE_MAX_KEY];
    ngx_int_t                 rc;
    ngx_str_t                 symbol, id;
    ngx_uint_t                value;
    ngx_tecken_fetch_t       *f;
    ngx_tecken_cache_key_t    base, key;
    ngx_tecken_fetch_main_t  *main;

    main = m->conf->main;

    ngx_tecken_module_text(text, &m->debug_file, &m->debug_id, &symbol, &id);

    ngx_tecken_cache_key(main->cache, &base, symbol.data, symbol.len);
    ngx_tecken_cache_key_mix(&key, &base, m->conf->flight);

    if (ngx_tecken_cache_get(main->cache, &key, &value) == NGX_OK) {
        m->hit = 1;
        return ngx_tecken_module_value(m, value);
    }

    f = ngx_tecken_module_find(main, &key);

    if (f == NULL) {
        f = ngx_tecken_module_create(m, &key);

        if (f == NULL) {
            return NGX_ERROR;
        }

        rc = ngx_tecken_fetch_join(f, &value);

        if (rc == NGX_OK) {
            ngx_tecken_fetch_free(f);
            return ngx_tecken_module_value(m, value);
        }

    } else {
        rc = NGX_AGAIN;
    }

    m->fetch = f;
    m->state = NGX_TECKEN_MODULE_WAITING;
    ngx_queue_insert_tail(&f->modules, &m->queue);

    if (rc == NGX_DONE) {
        ngx_tecken_fetch_own(f);
    }

    return NGX_AGAIN;
}


static ngx_tecken_fetch_t *
ngx_tecken_module_find(ngx_tecken_fetch_main_t *main,
    ngx_tecken_cache_key_t *key)
{
    ngx_queue_t         *q, *bucket;
    ngx_tecken_fetch_t  *f;

    bucket = ngx_tecken_fetch_bucket(main, key);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        f = ngx_queue_data(q, ngx_tecken_fetch_t, queue);

        if (f->flight.key.h[0] == key->h[0]
            && f->flight.key.h[1] == key->h[1]
            && ngx_tecken_flight_valid(main->cache, &f->flight))
        {
            return f;
        }
    }

    return NULL;
}


static ngx_tecken_fetch_t *
ngx_tecken_module_create(ngx_tecken_module_t *m, ngx_tecken_cache_key_t *key)
{
    u_char                   *p;
    size_t                    len;
    ngx_str_t                 name;
    ngx_tecken_fetch_t       *f;
    ngx_tecken_fetch_main_t  *main;

    main = m->conf->main;
    name = m->debug_file;

    len = 2 * name.len + m->debug_id.len + sizeof("//.sym") - 1;

    f = ngx_calloc(sizeof(ngx_tecken_fetch_t) + len, ngx_cycle->log);
    if (f == NULL) {
        return NULL;
    }

    f->main = main;
    f->conf = m->conf;
    f->key = m->key;
    f->started = m->started;

    ngx_queue_init(&f->modules);
    ngx_queue_insert_tail(ngx_tecken_fetch_bucket(main, key), &f->queue);

    f->flight.key = *key;
    f->flight.handler = ngx_tecken_fetch_flown;
    f->flight.data = f;
    f->flight.patience = NGX_TECKEN_FETCH_PATIENCE;

    ngx_tecken_module_text(f->data, &name, &m->debug_id, &f->symbol,
                           &f->debug_id);

    if (name.len > 4
        && ngx_strncmp(name.data + name.len - 4, ".pdb", 4) == 0)
    {
        name.len -= 4;
    }

    p = f->data + f->symbol.len;

    *p++ = '/';
    p = ngx_cpymem(p, name.data, name.len);
    p = ngx_cpymem(p, ".sym", 4);

    f->path.data = f->data;
    f->path.len = p - f->data;

    return f;
}


static ngx_int_t
ngx_tecken_module_value(ngx_tecken_module_t *m, ngx_uint_t value)
{
    ngx_uint_t              i;
    ngx_array_t            *storages;
    ngx_tecken_storage_t  **st;

    i = ngx_tecken_fetch_source(value);
    storages = m->conf->main->storages;

    /* one of the configuration before may have more of them */

    if (i && i <= storages->nelts) {
        st = storages->elts;
        m->source = st[i - 1]->name;
    }

    switch (ngx_tecken_fetch_code(value)) {

    case NGX_TECKEN_FETCH_MISSING:
    case NGX_TECKEN_FETCH_BAD:
        return NGX_DECLINED;

    case NGX_TECKEN_FETCH_BUILT:
        return NGX_OK;

    case NGX_TECKEN_FETCH_FAILED:
    case NGX_TECKEN_FETCH_BUSY:
        return NGX_BUSY;

    default: /* NGX_TECKEN_FETCH_ERROR */
        return NGX_ERROR;
    }
}


void
ngx_tecken_fetch_wake(ngx_event_t *ev)
{
    ngx_uint_t                n;
    ngx_queue_t              *q;
    ngx_connection_t         *c;
    ngx_tecken_module_t      *m;
    ngx_tecken_fetch_main_t  *main;

    c = ev->data;
    main = c->data;

    /* a handler may get and release modules, and free its own */

    for (n = 0; n < NGX_TECKEN_MODULE_BATCH; n++) {

        if (ngx_queue_empty(&main->ready)) {
            return;
        }

        q = ngx_queue_head(&main->ready);
        m = ngx_queue_data(q, ngx_tecken_module_t, queue);

        ngx_queue_remove(q);
        m->state = NGX_TECKEN_MODULE_IDLE;

        m->handler(m);
    }

    if (!ngx_queue_empty(&main->ready)) {
        ngx_post_event(&main->wake, &ngx_posted_next_events);
    }
}


void
ngx_tecken_fetch_tell(ngx_tecken_fetch_t *f, ngx_uint_t value)
{
    ngx_queue_t              *q;
    ngx_tecken_module_t      *m;
    ngx_tecken_fetch_main_t  *main;

    main = f->main;

    while (!ngx_queue_empty(&f->modules)) {

        q = ngx_queue_head(&f->modules);
        m = ngx_queue_data(q, ngx_tecken_module_t, queue);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&main->ready, q);

        m->state = NGX_TECKEN_MODULE_READY;
        m->stat = f->stat;

        (void) ngx_tecken_module_end(m, ngx_tecken_module_value(m, value));

        if (m->rc == NGX_OK) {
            m->ref = f->ref;
            ngx_tecken_symcache_hold(m->ref);
        }
    }

    if (!ngx_queue_empty(&main->ready)) {
        ngx_post_event(&main->wake, &ngx_posted_events);
    }

    ngx_tecken_fetch_free(f);
}
