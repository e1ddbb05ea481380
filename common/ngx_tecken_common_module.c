
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken.h>
#include <ngx_tecken_common.h>
#include <ngx_tecken_transfer.h>
#include <ngx_tecken_fetch.h>


#define NGX_TECKEN_ZONE_MIN      (1024 * 1024)
#define NGX_TECKEN_ZONE_RESERVE  (64 * 1024)


static void *ngx_tecken_create_main_conf(ngx_conf_t *cf);
static char *ngx_tecken_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_tecken_create_loc_conf(ngx_conf_t *cf);
static char *ngx_tecken_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_tecken_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_tecken_init_zone(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_tecken_init_process(ngx_cycle_t *cycle);
static void ngx_tecken_exit_process(ngx_cycle_t *cycle);

static char *ngx_tecken_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_tecken_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_tecken_storage(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_tecken_statsd_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_tecken_sources(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_tecken_try_source(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_tecken_symcache_path(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_tecken_cache_valid(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_tecken_metrics_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_tecken_dockerflow(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_tecken_storage_t *ngx_tecken_storage_ref(ngx_conf_t *cf,
    ngx_tecken_main_conf_t *tmcf, ngx_str_t *name);
static ngx_int_t ngx_tecken_default_pool(ngx_conf_t *cf,
    ngx_thread_pool_t **tp);
static ngx_int_t ngx_tecken_metrics_content(ngx_http_request_t *r);
static ngx_int_t ngx_tecken_dockerflow_content(ngx_http_request_t *r);


const ngx_uint_t  NGX_TECKEN_ABI = 2;


static ngx_conf_num_bounds_t  ngx_tecken_connections_bounds = {
    ngx_conf_check_num_bounds, 1, 65536
};


static ngx_conf_num_bounds_t  ngx_tecken_maps_bounds = {
    ngx_conf_check_num_bounds, 1, 65536
};


static ngx_conf_num_bounds_t  ngx_tecken_builds_bounds = {
    ngx_conf_check_num_bounds, 1, 1024
};


static ngx_conf_enum_t  ngx_tecken_dockerflow_names[] = {
    { ngx_string("version"), NGX_TECKEN_DOCKERFLOW_VERSION },
    { ngx_string("heartbeat"), NGX_TECKEN_DOCKERFLOW_HEARTBEAT },
    { ngx_string("lbheartbeat"), NGX_TECKEN_DOCKERFLOW_LBHEARTBEAT },
    { ngx_string("broken"), NGX_TECKEN_DOCKERFLOW_BROKEN },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_tecken_common_commands[] = {

    { ngx_string("tecken_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_tecken_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_thread_pool"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_tecken_pool,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_tecken_main_conf_t, thread_pool),
      NULL },

    { ngx_string("tecken_io_thread_pool"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_tecken_pool,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_tecken_main_conf_t, io_thread_pool),
      NULL },

    { ngx_string("tecken_resolver_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_tecken_main_conf_t, resolver_timeout),
      NULL },

    { ngx_string("tecken_connections"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_tecken_main_conf_t, connections),
      &ngx_tecken_connections_bounds },

    { ngx_string("tecken_storage"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_tecken_storage,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_statsd"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE123,
      ngx_tecken_statsd_directive,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_sources"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_tecken_sources,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_try_source"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_tecken_try_source,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_symcache_path"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_tecken_symcache_path,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_symcache_maps"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_tecken_main_conf_t, symcache_maps),
      &ngx_tecken_maps_bounds },

    { ngx_string("tecken_symcache_builds"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_tecken_main_conf_t, symcache_builds),
      &ngx_tecken_builds_bounds },

    { ngx_string("tecken_symcache_strict"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_loc_conf_t, module.strict),
      NULL },

    { ngx_string("tecken_symbolicate_max_symbols"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_loc_conf_t, module.max_symbols),
      NULL },

    { ngx_string("tecken_cache_valid"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE123,
      ngx_tecken_cache_valid,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_tecken_metrics_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_dockerflow"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_tecken_dockerflow,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_tecken_common_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_tecken_postconfiguration,          /* postconfiguration */

    ngx_tecken_create_main_conf,           /* create main configuration */
    ngx_tecken_init_main_conf,             /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_tecken_create_loc_conf,            /* create location configuration */
    ngx_tecken_merge_loc_conf              /* merge location configuration */
};


ngx_module_t  ngx_tecken_common_module = {
    NGX_MODULE_V1,
    &ngx_tecken_common_module_ctx,         /* module context */
    ngx_tecken_common_commands,            /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_tecken_init_process,               /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_tecken_exit_process,               /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_tecken_create_main_conf(ngx_conf_t *cf)
{
    ngx_tecken_main_conf_t  *tmcf;

    tmcf = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_main_conf_t));
    if (tmcf == NULL) {
        return NULL;
    }

    tmcf->cache = ngx_tecken_cache_create(cf);
    tmcf->metrics = ngx_tecken_metrics_create(cf);
    tmcf->heartbeat = ngx_tecken_heartbeat_create(cf);
    tmcf->turns = ngx_tecken_turns_create(cf);
    tmcf->fetch = ngx_tecken_fetch_create(cf);

    if (tmcf->cache == NULL || tmcf->metrics == NULL
        || tmcf->heartbeat == NULL || tmcf->turns == NULL
        || tmcf->fetch == NULL)
    {
        return NULL;
    }

    if (ngx_array_init(&tmcf->storages, cf->pool, 4,
                       sizeof(ngx_tecken_storage_t *))
        != NGX_OK
        || ngx_array_init(&tmcf->symcaches, cf->pool, 1,
                          sizeof(ngx_tecken_symcache_path_t *))
           != NGX_OK)
    {
        return NULL;
    }

    tmcf->symcache_maps = NGX_CONF_UNSET_UINT;
    tmcf->symcache_builds = NGX_CONF_UNSET_UINT;
    tmcf->thread_pool = NGX_CONF_UNSET_PTR;
    tmcf->io_thread_pool = NGX_CONF_UNSET_PTR;
    tmcf->resolver_timeout = NGX_CONF_UNSET_MSEC;
    tmcf->connections = NGX_CONF_UNSET_UINT;

    return tmcf;
}


static char *
ngx_tecken_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_tecken_main_conf_t *tmcf = conf;

    ngx_conf_init_msec_value(tmcf->resolver_timeout, 2000);
    ngx_conf_init_uint_value(tmcf->connections, 512);
    ngx_conf_init_uint_value(tmcf->symcache_maps, 128);
    ngx_conf_init_uint_value(tmcf->symcache_builds, 2);

    return NGX_CONF_OK;
}


static void *
ngx_tecken_create_loc_conf(ngx_conf_t *cf)
{
    ngx_tecken_loc_conf_t  *tlcf;

    tlcf = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_loc_conf_t));
    if (tlcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     tlcf->version = { 0, NULL };
     */

    tlcf->sources = NGX_CONF_UNSET_PTR;
    tlcf->try_source = NGX_CONF_UNSET_PTR;
    tlcf->symcache = NGX_CONF_UNSET_PTR;
    tlcf->valid_found = NGX_CONF_UNSET;
    tlcf->valid_missing = NGX_CONF_UNSET;
    tlcf->module.valid_missing = NGX_CONF_UNSET;
    tlcf->module.max_symbols = NGX_CONF_UNSET;
    tlcf->module.strict = NGX_CONF_UNSET;
    tlcf->dockerflow = NGX_CONF_UNSET_UINT;

    return tlcf;
}


static char *
ngx_tecken_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_tecken_loc_conf_t *prev = parent;
    ngx_tecken_loc_conf_t *conf = child;

    ngx_tecken_main_conf_t  *tmcf;

    ngx_conf_merge_ptr_value(conf->sources, prev->sources, NULL);
    ngx_conf_merge_ptr_value(conf->try_source, prev->try_source, NULL);
    ngx_conf_merge_ptr_value(conf->symcache, prev->symcache, NULL);
    ngx_conf_merge_sec_value(conf->valid_found, prev->valid_found, 21600);
    ngx_conf_merge_sec_value(conf->valid_missing, prev->valid_missing, 21600);

    ngx_conf_merge_sec_value(conf->module.valid_missing,
                             prev->module.valid_missing, 60);
    ngx_conf_merge_off_value(conf->module.max_symbols,
                             prev->module.max_symbols,
                             (off_t) 2 * 1024 * 1024 * 1024);
    ngx_conf_merge_value(conf->module.strict, prev->module.strict, 0);

    if (conf->symcache && conf->sources) {
        conf->module.path = conf->symcache;
        conf->module.sources = conf->sources;

        tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);

        if (ngx_tecken_fetch_add(tmcf->fetch, &conf->module) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    /* an "if" in the location keeps the handler, not what it is to send */

    if (conf->dockerflow == NGX_CONF_UNSET_UINT) {
        conf->dockerflow = prev->dockerflow;
        conf->version = prev->version;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_tecken_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_tecken_storage_t      **st;
    ngx_tecken_main_conf_t     *tmcf;
    ngx_http_core_loc_conf_t   *clcf;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (tmcf->shm_zone == NULL) {

        if (tmcf->used) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"tecken_zone\" is needed in http {}, for example: "
                          "tecken_zone tecken:64m;");
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    /* the pool that nginx makes by itself when it is used */

    if (ngx_tecken_default_pool(cf, &tmcf->thread_pool) != NGX_OK
        || ngx_tecken_default_pool(cf, &tmcf->io_thread_pool) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_tecken_symcache_init(&tmcf->symcaches, tmcf->io_thread_pool);

    if (clcf->resolver && clcf->resolver->connections.nelts) {
        tmcf->resolver = clcf->resolver;
    }

    st = tmcf->storages.elts;

    for (i = 0; i < tmcf->storages.nelts; i++) {

        if (st[i]->backend == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown storage \"%V\" in %s:%ui", &st[i]->name,
                          st[i]->file_name, st[i]->line);
            return NGX_ERROR;
        }

        st[i]->io_pool = tmcf->io_thread_pool;
        st[i]->resolver = tmcf->resolver;
        st[i]->resolver_timeout = tmcf->resolver_timeout;

        if (ngx_tecken_storage_init(cf, st[i]) != NGX_OK
            || ngx_tecken_check_add(cf, tmcf, st[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (tmcf->symcaches.nelts
        && ngx_tecken_fetch_init(cf, tmcf->fetch, tmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_tecken_gauges_add(cf, tmcf);
}


static ngx_int_t
ngx_tecken_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_tecken_main_conf_t *otmcf = data;

    ngx_slab_pool_t         *shpool;
    ngx_tecken_shctx_t      *sh;
    ngx_tecken_main_conf_t  *tmcf;

    tmcf = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (otmcf) {
        sh = otmcf->sh;

    } else if (shm_zone->shm.exists) {
        sh = shpool->data;

    } else {
        sh = ngx_slab_calloc(shpool, sizeof(ngx_tecken_shctx_t));
        if (sh == NULL) {
            return NGX_ERROR;
        }

        shpool->data = sh;
        shpool->log_nomem = 0;
    }

    tmcf->sh = sh;

    if (ngx_tecken_metrics_init_zone(tmcf->metrics, shpool, &sh->metrics,
                                     shm_zone->shm.log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_tecken_turns_init_zone(tmcf->turns, tmcf->cache, shpool,
                                   &sh->turns)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* the table takes what is left */

    return ngx_tecken_cache_init_zone(tmcf->cache, shpool, &sh->cache,
                                      NGX_TECKEN_ZONE_RESERVE,
                                      shm_zone->shm.log);
}


static ngx_int_t
ngx_tecken_init_process(ngx_cycle_t *cycle)
{
    ngx_tecken_main_conf_t  *tmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    tmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_tecken_common_module);

    if (tmcf == NULL || tmcf->shm_zone == NULL) {
        return NGX_OK;
    }

    if (ngx_tecken_cache_init_worker(tmcf->cache, cycle) != NGX_OK
        || ngx_tecken_metrics_init_worker(tmcf->metrics, cycle) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_tecken_symcache_init_worker(&tmcf->symcaches, tmcf->symcache_maps,
                                    cycle);

    ngx_tecken_turns_init_worker(tmcf->turns, cycle, tmcf->symcache_builds);
    ngx_tecken_fetch_init_worker(tmcf->fetch, cycle);

    return ngx_tecken_curl_init_worker(cycle, tmcf->connections);
}


static void
ngx_tecken_exit_process(ngx_cycle_t *cycle)
{
    ngx_tecken_main_conf_t  *tmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return;
    }

    tmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_tecken_common_module);

    if (tmcf == NULL || tmcf->shm_zone == NULL) {
        return;
    }

    ngx_tecken_fetch_exit_worker(tmcf->fetch);
    ngx_tecken_symcache_exit_worker(cycle);
    ngx_tecken_metrics_exit_worker(tmcf->metrics, cycle);
    ngx_tecken_curl_exit_worker(cycle);
}


static char *
ngx_tecken_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_main_conf_t *tmcf = conf;

    u_char     *p;
    ssize_t     size;
    ngx_str_t  *value, name, s;

    if (tmcf->shm_zone) {
        return "is duplicate";
    }

    value = cf->args->elts;

    name = value[1];
    p = ngx_strlchr(name.data, name.data + name.len, ':');

    if (p == NULL || p == name.data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone \"%V\", it is to be \"name:size\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    name.len = p - name.data;

    s.data = p + 1;
    s.len = value[1].data + value[1].len - s.data;

    size = ngx_parse_size(&s);

    if (size == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone size \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (size < NGX_TECKEN_ZONE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is too small, it needs 1m",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    tmcf->shm_zone = ngx_shared_memory_add(cf, &name, size,
                                           &ngx_tecken_common_module);
    if (tmcf->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    tmcf->shm_zone->init = ngx_tecken_init_zone;
    tmcf->shm_zone->data = tmcf;

    return NGX_CONF_OK;
}


static char *
ngx_tecken_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t          *value;
    ngx_thread_pool_t **tp;

    tp = (ngx_thread_pool_t **) (p + cmd->offset);

    if (*tp != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    *tp = ngx_thread_pool_add(cf, &value[1]);

    return (*tp == NULL) ? NGX_CONF_ERROR : NGX_CONF_OK;
}


static ngx_int_t
ngx_tecken_default_pool(ngx_conf_t *cf, ngx_thread_pool_t **tp)
{
    if (*tp == NGX_CONF_UNSET_PTR) {
        *tp = ngx_thread_pool_add(cf, NULL);
    }

    return (*tp == NULL) ? NGX_ERROR : NGX_OK;
}


static char *
ngx_tecken_storage(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_main_conf_t *tmcf = conf;

    ngx_str_t             *value;
    ngx_tecken_storage_t  *st;

    value = cf->args->elts;

    st = ngx_tecken_storage_ref(cf, tmcf, &value[1]);
    if (st == NULL) {
        return NGX_CONF_ERROR;
    }

    if (st->backend) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate storage \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    return ngx_tecken_storage_parse(cf, st);
}


/* a storage may be named before its directive is read */

static ngx_tecken_storage_t *
ngx_tecken_storage_ref(ngx_conf_t *cf, ngx_tecken_main_conf_t *tmcf,
    ngx_str_t *name)
{
    ngx_tecken_storage_t  *st, **p;

    tmcf->used = 1;

    st = ngx_tecken_storage_find(tmcf, name);
    if (st) {
        return st;
    }

    st = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_storage_t));
    if (st == NULL) {
        return NULL;
    }

    st->name = *name;
    st->index = tmcf->storages.nelts;
    st->file_name = cf->conf_file->file.name.data;
    st->line = cf->conf_file->line;

    p = ngx_array_push(&tmcf->storages);
    if (p == NULL) {
        return NULL;
    }

    *p = st;

    return st;
}


ngx_tecken_storage_t *
ngx_tecken_storage_find(ngx_tecken_main_conf_t *tmcf, ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_tecken_storage_t  **st;

    st = tmcf->storages.elts;

    for (i = 0; i < tmcf->storages.nelts; i++) {
        if (st[i]->name.len == name->len
            && ngx_strncmp(st[i]->name.data, name->data, name->len) == 0)
        {
            return st[i];
        }
    }

    return NULL;
}


static char *
ngx_tecken_statsd_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_main_conf_t *tmcf = conf;

    tmcf->used = 1;

    return ngx_tecken_statsd(cf, tmcf->metrics);
}


static char *
ngx_tecken_sources(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_loc_conf_t *tlcf = conf;

    ngx_str_t               *value;
    ngx_uint_t               i, j;
    ngx_tecken_storage_t   **st;
    ngx_tecken_main_conf_t  *tmcf;

    if (tlcf->sources != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts - 1 > NGX_TECKEN_MAX_SOURCES) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" takes at most %d storages", &value[0],
                           NGX_TECKEN_MAX_SOURCES);
        return NGX_CONF_ERROR;
    }

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);

    tlcf->sources = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                     sizeof(ngx_tecken_storage_t *));
    if (tlcf->sources == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        st = ngx_array_push(tlcf->sources);

        *st = ngx_tecken_storage_ref(cf, tmcf, &value[i]);
        if (*st == NULL) {
            return NGX_CONF_ERROR;
        }

        st = tlcf->sources->elts;

        for (j = 0; j < i - 1; j++) {
            if (st[j] == st[i - 1]) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "duplicate storage \"%V\" in \"%V\"",
                                   &value[i], &value[0]);
                return NGX_CONF_ERROR;
            }
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_tecken_try_source(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_loc_conf_t *tlcf = conf;

    ngx_str_t               *value;
    ngx_tecken_main_conf_t  *tmcf;

    if (tlcf->try_source != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        tlcf->try_source = NULL;
        return NGX_CONF_OK;
    }

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);

    tlcf->try_source = ngx_tecken_storage_ref(cf, tmcf, &value[1]);

    return (tlcf->try_source == NULL) ? NGX_CONF_ERROR : NGX_CONF_OK;
}


static char *
ngx_tecken_symcache_path(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_loc_conf_t *tlcf = conf;

    ngx_str_t               *value;
    ngx_tecken_main_conf_t  *tmcf;

    if (tlcf->symcache != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        tlcf->symcache = NULL;
        return NGX_CONF_OK;
    }

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    tmcf->used = 1;

    tlcf->symcache = ngx_tecken_symcache_parse(cf, &tmcf->symcaches,
                                               &ngx_tecken_common_module);

    return (tlcf->symcache == NULL) ? NGX_CONF_ERROR : NGX_CONF_OK;
}


static char *
ngx_tecken_cache_valid(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_loc_conf_t *tlcf = conf;

    time_t      *valid, sec;
    ngx_str_t   *value, s;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "found=", 6) == 0) {
            valid = &tlcf->valid_found;
            s.data = value[i].data + 6;

        } else if (ngx_strncmp(value[i].data, "missing=", 8) == 0) {
            valid = &tlcf->valid_missing;
            s.data = value[i].data + 8;

        } else if (ngx_strncmp(value[i].data, "symcache_missing=", 17) == 0) {
            valid = &tlcf->module.valid_missing;
            s.data = value[i].data + 17;

        } else {
            goto invalid;
        }

        if (*valid != NGX_CONF_UNSET) {
            return "is duplicate";
        }

        s.len = value[i].data + value[i].len - s.data;

        sec = ngx_parse_time(&s, 1);
        if (sec == (time_t) NGX_ERROR) {
            goto invalid;
        }

        *valid = sec;
    }

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"",
                       &value[i]);

    return NGX_CONF_ERROR;
}


static char *
ngx_tecken_metrics_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_main_conf_t    *tmcf;
    ngx_http_core_loc_conf_t  *clcf;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    tmcf->used = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == ngx_tecken_metrics_content) {
        return "is duplicate";
    }

    if (clcf->handler) {
        return "conflicts with another handler of the location";
    }

    clcf->handler = ngx_tecken_metrics_content;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_tecken_metrics_content(ngx_http_request_t *r)
{
    ngx_tecken_main_conf_t  *tmcf;

    tmcf = ngx_http_get_module_main_conf(r, ngx_tecken_common_module);

    return ngx_tecken_metrics_handler(r, tmcf->metrics);
}


static char *
ngx_tecken_dockerflow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_loc_conf_t *tlcf = conf;

    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_tecken_main_conf_t    *tmcf;
    ngx_http_core_loc_conf_t  *clcf;

    if (tlcf->dockerflow != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 0; ngx_tecken_dockerflow_names[i].name.len; i++) {
        if (ngx_strcmp(value[1].data,
                       ngx_tecken_dockerflow_names[i].name.data)
            == 0)
        {
            tlcf->dockerflow = ngx_tecken_dockerflow_names[i].value;
        }
    }

    if (tlcf->dockerflow == NGX_CONF_UNSET_UINT) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", it is to be \"version\", "
                           "\"heartbeat\", \"lbheartbeat\" or \"broken\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    if (tlcf->dockerflow == NGX_TECKEN_DOCKERFLOW_VERSION) {

        if (cf->args->nelts == 3) {
            tlcf->version = value[2];

        } else {
            ngx_str_set(&tlcf->version, "version.json");
        }

        if (ngx_conf_full_name(cf->cycle, &tlcf->version, 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

    } else if (cf->args->nelts == 3) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"",
                           &value[2]);
        return NGX_CONF_ERROR;
    }

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    tmcf->used = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "conflicts with another handler of the location";
    }

    clcf->handler = ngx_tecken_dockerflow_content;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_tecken_dockerflow_content(ngx_http_request_t *r)
{
    ngx_tecken_loc_conf_t   *tlcf;
    ngx_tecken_main_conf_t  *tmcf;

    tlcf = ngx_http_get_module_loc_conf(r, ngx_tecken_common_module);

    switch (tlcf->dockerflow) {

    case NGX_TECKEN_DOCKERFLOW_VERSION:
        return ngx_tecken_dockerflow_version(r, &tlcf->version);

    case NGX_TECKEN_DOCKERFLOW_HEARTBEAT:
        tmcf = ngx_http_get_module_main_conf(r, ngx_tecken_common_module);
        return ngx_tecken_dockerflow_heartbeat(r, tmcf->heartbeat);

    case NGX_TECKEN_DOCKERFLOW_LBHEARTBEAT:
        return ngx_tecken_dockerflow_lbheartbeat(r);

    default: /* NGX_TECKEN_DOCKERFLOW_BROKEN */
        return ngx_tecken_dockerflow_broken(r);
    }
}
