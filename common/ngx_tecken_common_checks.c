
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_common.h>


#define NGX_TECKEN_CHECK_TEXT  512

/* of a directory in a label; the end of a longer one says more */
#define NGX_TECKEN_LABEL_PATH  160


typedef struct {
    ngx_tecken_check_t      check;
    ngx_tecken_storage_t   *storage;
    u_char                  text[NGX_TECKEN_CHECK_TEXT];
} ngx_tecken_storage_check_t;


typedef struct {
    ngx_str_t               name;
    ngx_str_t               help;
    size_t                  offset;          /* in the cache's status */
} ngx_tecken_gauge_t;


typedef uint64_t (*ngx_tecken_gauge_pt)(ngx_tecken_metric_t *m);


static ngx_int_t ngx_tecken_check_start(ngx_tecken_check_t *check);
static void ngx_tecken_check_handler(ngx_tecken_store_op_t *op);
static ngx_int_t ngx_tecken_check_verdict(ngx_tecken_storage_check_t *sc,
    ngx_tecken_store_op_t *op);
static ngx_int_t ngx_tecken_gauges_of(ngx_conf_t *cf,
    ngx_tecken_main_conf_t *tmcf, ngx_tecken_gauge_t *g, ngx_str_t *labels,
    ngx_tecken_gauge_pt value, void *data);
static ngx_int_t ngx_tecken_gauge_label(ngx_conf_t *cf,
    ngx_tecken_symcache_path_t *path, ngx_str_t *label);
static u_char *ngx_tecken_gauge_field(ngx_tecken_gauge_t *g,
    ngx_tecken_metric_t *m, void *status);
static uint64_t ngx_tecken_gauge_value(ngx_tecken_metric_t *m);
static uint64_t ngx_tecken_symcache_value(ngx_tecken_metric_t *m);


static ngx_tecken_gauge_t  ngx_tecken_gauges[] = {

    { ngx_string("tecken_cache_keys"),
      ngx_string("Keys in the shared memory cache"),
      offsetof(ngx_tecken_cache_status_t, keys) },

    { ngx_string("tecken_cache_capacity_keys"),
      ngx_string("Keys that the shared memory cache has room for"),
      offsetof(ngx_tecken_cache_status_t, capacity) },

    { ngx_string("tecken_cache_flights"),
      ngx_string("Lookups under way in all workers"),
      offsetof(ngx_tecken_cache_status_t, flights) },

    { ngx_string("tecken_cache_evictions"),
      ngx_string("Keys that left the cache before their time"),
      offsetof(ngx_tecken_cache_status_t, evictions) },

    { ngx_string("tecken_cache_resets"),
      ngx_string("Times the cache was emptied after a worker was killed"),
      offsetof(ngx_tecken_cache_status_t, resets) },

    { ngx_string("tecken_cache_bytes"),
      ngx_string("Shared memory of the keys in the cache"),
      offsetof(ngx_tecken_cache_status_t, bytes) },

    { ngx_null_string, ngx_null_string, 0 }
};


static ngx_tecken_gauge_t  ngx_tecken_symcache_gauges[] = {

    { ngx_string("tecken_symcache_bytes"),
      ngx_string("Disk space of the symcaches in a directory"),
      offsetof(ngx_tecken_symcache_status_t, size) },

    { ngx_string("tecken_symcache_max_bytes"),
      ngx_string("Disk space that the symcaches in a directory may take"),
      offsetof(ngx_tecken_symcache_status_t, max_size) },

    { ngx_string("tecken_symcache_files"),
      ngx_string("Symcaches in a directory"),
      offsetof(ngx_tecken_symcache_status_t, files) },

    { ngx_string("tecken_symcache_capacity_files"),
      ngx_string("Symcaches that the shared memory has room for"),
      offsetof(ngx_tecken_symcache_status_t, capacity) },

    { ngx_string("tecken_symcache_maps"),
      ngx_string("Symcaches mapped by all workers"),
      offsetof(ngx_tecken_symcache_status_t, maps) },

    { ngx_string("tecken_symcache_evictions"),
      ngx_string("Symcaches deleted to make room or not used for long"),
      offsetof(ngx_tecken_symcache_status_t, evictions) },

    { ngx_string("tecken_symcache_corrupt"),
      ngx_string("Symcaches found damaged and deleted"),
      offsetof(ngx_tecken_symcache_status_t, corrupt) },

    { ngx_string("tecken_symcache_resets"),
      ngx_string("Times the index was repaired after a worker was killed"),
      offsetof(ngx_tecken_symcache_status_t, resets) },

    { ngx_null_string, ngx_null_string, 0 }
};


ngx_int_t
ngx_tecken_gauges_add(ngx_conf_t *cf, ngx_tecken_main_conf_t *tmcf)
{
    ngx_str_t                     label;
    ngx_uint_t                    i;
    ngx_tecken_symcache_path_t  **path;

    ngx_str_null(&label);

    if (ngx_tecken_gauges_of(cf, tmcf, ngx_tecken_gauges, &label,
                             ngx_tecken_gauge_value, tmcf->cache)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    path = tmcf->symcaches.elts;

    for (i = 0; i < tmcf->symcaches.nelts; i++) {

        if (ngx_tecken_gauge_label(cf, path[i], &label) != NGX_OK
            || ngx_tecken_gauges_of(cf, tmcf, ngx_tecken_symcache_gauges,
                                    &label, ngx_tecken_symcache_value,
                                    path[i])
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_gauges_of(ngx_conf_t *cf, ngx_tecken_main_conf_t *tmcf,
    ngx_tecken_gauge_t *g, ngx_str_t *labels, ngx_tecken_gauge_pt value,
    void *data)
{
    ngx_tecken_metric_t  *m;

    for ( /* void */ ; g->name.len; g++) {

        m = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_metric_t));
        if (m == NULL) {
            return NGX_ERROR;
        }

        m->type = NGX_TECKEN_METRIC_GAUGE;
        m->name = g->name;
        m->labels = *labels;
        m->help = g->help;
        m->value = value;
        m->data = data;

        if (ngx_tecken_metrics_add(cf, tmcf->metrics, m) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_gauge_label(ngx_conf_t *cf, ngx_tecken_symcache_path_t *path,
    ngx_str_t *label)
{
    ngx_str_t  name;

    name = *ngx_tecken_symcache_dir(path);

    if (name.len > NGX_TECKEN_LABEL_PATH) {
        name.data += name.len - NGX_TECKEN_LABEL_PATH;
        name.len = NGX_TECKEN_LABEL_PATH;
    }

    label->data = ngx_pnalloc(cf->pool, sizeof("path=\"\"") + name.len);
    if (label->data == NULL) {
        return NGX_ERROR;
    }

    label->len = ngx_sprintf(label->data, "path=\"%V\"", &name)
                 - label->data;

    return NGX_OK;
}


static uint64_t
ngx_tecken_gauge_value(ngx_tecken_metric_t *m)
{
    ngx_tecken_cache_status_t  status;

    ngx_tecken_cache_status(m->data, &status);

    return *(ngx_uint_t *) ngx_tecken_gauge_field(ngx_tecken_gauges, m,
                                                  &status);
}


static uint64_t
ngx_tecken_symcache_value(ngx_tecken_metric_t *m)
{
    ngx_tecken_symcache_status_t  status;

    ngx_tecken_symcache_status(m->data, &status);

    return *(uint64_t *) ngx_tecken_gauge_field(ngx_tecken_symcache_gauges, m,
                                                &status);
}


static u_char *
ngx_tecken_gauge_field(ngx_tecken_gauge_t *g, ngx_tecken_metric_t *m,
    void *status)
{
    while (g->name.data != m->name.data) {
        g++;
    }

    return (u_char *) status + g->offset;
}


ngx_int_t
ngx_tecken_check_add(ngx_conf_t *cf, ngx_tecken_main_conf_t *tmcf,
    ngx_tecken_storage_t *st)
{
    ngx_str_t                   *name;
    ngx_tecken_storage_check_t  *sc;

    sc = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_storage_check_t));
    if (sc == NULL) {
        return NGX_ERROR;
    }

    sc->storage = st;

    name = &sc->check.name;

    name->len = sizeof("storage:") - 1 + st->name.len;
    name->data = ngx_pnalloc(cf->pool, name->len);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(name->data, "storage:%V", &st->name);

    sc->check.start = ngx_tecken_check_start;
    sc->check.data = sc;

    return ngx_tecken_heartbeat_add(tmcf->heartbeat, &sc->check);
}


static ngx_int_t
ngx_tecken_check_start(ngx_tecken_check_t *check)
{
    ngx_tecken_storage_check_t *sc = check->data;

    ngx_int_t               rc;
    ngx_str_t               key;
    ngx_tecken_store_op_t  *op;

    ngx_str_null(&key);
    ngx_str_null(&check->error);

    op = ngx_tecken_store_op_create(sc->storage, &key, ngx_cycle->log);
    if (op == NULL) {
        ngx_str_set(&check->error, "out of memory");
        return NGX_ERROR;
    }

    op->handler = ngx_tecken_check_handler;
    op->data = sc;

    op->rc = ngx_tecken_store_check(op);

    if (op->rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    rc = ngx_tecken_check_verdict(sc, op);

    ngx_tecken_store_op_destroy(op);

    return rc;
}


static void
ngx_tecken_check_handler(ngx_tecken_store_op_t *op)
{
    ngx_tecken_storage_check_t *sc = op->data;

    ngx_int_t  rc;

    rc = ngx_tecken_check_verdict(sc, op);

    ngx_tecken_store_op_destroy(op);

    ngx_tecken_check_done(&sc->check, rc);
}


static ngx_int_t
ngx_tecken_check_verdict(ngx_tecken_storage_check_t *sc,
    ngx_tecken_store_op_t *op)
{
    ngx_str_t  *error;

    if (op->rc == NGX_OK) {
        return NGX_OK;
    }

    /* who may not list a public bucket may read from it all the same */

    if (op->status == 403 && sc->storage->public) {
        return NGX_OK;
    }

    error = &sc->check.error;

    if (op->rc == NGX_DECLINED) {
        ngx_str_set(error, "there is no such bucket or folder");

    } else if (op->error.len) {
        error->len = ngx_min(op->error.len, NGX_TECKEN_CHECK_TEXT);
        error->data = sc->text;
        ngx_memcpy(error->data, op->error.data, error->len);

    } else {
        ngx_str_set(error, "failed, see the error log");
    }

    return NGX_ERROR;
}
