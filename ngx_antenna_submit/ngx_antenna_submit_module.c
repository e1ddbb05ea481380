
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_submit.h>

#include <openssl/rand.h>


static ngx_int_t ngx_antenna_submit_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_antenna_submit_postconfiguration(ngx_conf_t *cf);
static void *ngx_antenna_submit_create_main_conf(ngx_conf_t *cf);
static void *ngx_antenna_submit_create_loc_conf(ngx_conf_t *cf);
static char *ngx_antenna_submit_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static void ngx_antenna_submit_merge_spool_values(
    ngx_antenna_submit_loc_conf_t *prev, ngx_antenna_submit_loc_conf_t *conf);
static ngx_int_t ngx_antenna_submit_init_process(ngx_cycle_t *cycle);
static ngx_int_t ngx_antenna_submit_movers(ngx_cycle_t *cycle,
    ngx_antenna_submit_main_conf_t *amcf);
static void ngx_antenna_submit_stop(ngx_cycle_t *cycle);
static void ngx_antenna_submit_exit_process(ngx_cycle_t *cycle);

static char *ngx_antenna_submit(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_antenna_submit_positive(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_antenna_submit_headers_size(ngx_conf_t *cf, void *post,
    void *data);


uint64_t  ngx_antenna_random_state;


static ngx_conf_enum_t  ngx_antenna_dialects[] = {
    { ngx_string("2018"), NGX_ANTENNA_DIALECT_2018 },
    { ngx_string("2026"), NGX_ANTENNA_DIALECT_2026 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_antenna_layouts[] = {
    { ngx_string("2018"), TK_CRASH_2018 },
    { ngx_string("2022"), TK_CRASH_2022 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_antenna_syncs[] = {
    { ngx_string("strict"), NGX_ANTENNA_SYNC_STRICT },
    { ngx_string("fast"), NGX_ANTENNA_SYNC_FAST },
    { ngx_string("off"), NGX_ANTENNA_SYNC_OFF },
    { ngx_null_string, 0 }
};


static ngx_conf_post_t  ngx_antenna_submit_positive_post = {
    ngx_antenna_submit_positive
};


static ngx_conf_post_t  ngx_antenna_submit_headers_size_post = {
    ngx_antenna_submit_headers_size
};


static ngx_conf_num_bounds_t  ngx_antenna_parts_bounds = {
    ngx_conf_check_num_bounds, 1, 100000
};

static ngx_conf_num_bounds_t  ngx_antenna_headers_bounds = {
    ngx_conf_check_num_bounds, 1, 1000
};

static ngx_conf_num_bounds_t  ngx_antenna_depth_bounds = {
    ngx_conf_check_num_bounds, 1, 256
};

static ngx_conf_num_bounds_t  ngx_antenna_dumps_bounds = {
    ngx_conf_check_num_bounds, 1, TK_SPOOL_OBJECTS - 2
};

static ngx_conf_num_bounds_t  ngx_antenna_movers_bounds = {
    ngx_conf_check_num_bounds, 1, NGX_ANTENNA_MOVERS
};


static ngx_command_t  ngx_antenna_submit_commands[] = {

    { ngx_string("antenna_submit"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_antenna_submit,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("antenna_dialect"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, dialect),
      &ngx_antenna_dialects },

    { ngx_string("antenna_strict"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, strict),
      NULL },

    { ngx_string("antenna_allow_origin"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, allow_origin),
      NULL },

    /* limits */

    { ngx_string("antenna_max_inflated_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, inflated_size),
      &ngx_antenna_submit_positive_post },

    { ngx_string("antenna_max_annotation_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, annotation_size),
      &ngx_antenna_submit_positive_post },

    { ngx_string("antenna_max_annotations_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, annotations_size),
      &ngx_antenna_submit_positive_post },

    { ngx_string("antenna_max_annotations"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, annotations),
      &ngx_antenna_parts_bounds },

    { ngx_string("antenna_max_parts"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, parts),
      &ngx_antenna_parts_bounds },

    { ngx_string("antenna_max_part_headers"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, part_headers),
      &ngx_antenna_headers_bounds },

    { ngx_string("antenna_max_part_headers_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, part_headers_size),
      &ngx_antenna_submit_headers_size_post },

    { ngx_string("antenna_max_json_depth"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, json_depth),
      &ngx_antenna_depth_bounds },

    { ngx_string("antenna_max_dumps"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, dumps),
      &ngx_antenna_dumps_bounds },

    { ngx_string("antenna_body_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, body_timeout),
      &ngx_antenna_submit_positive_post },

    { ngx_string("antenna_body_min_rate"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, body_min_rate),
      NULL },

    /* crashes */

    { ngx_string("antenna_client_crash_id"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_antenna_conf_client_id,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("antenna_annotation_alias"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE2,
      ngx_antenna_conf_alias,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("antenna_remove_annotations"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_antenna_conf_remove,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("antenna_throttle_rules"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_antenna_throttle_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_antenna_submit_main_conf_t, throttles),
      NULL },

    { ngx_string("antenna_throttle"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, throttle_name),
      NULL },

    { ngx_string("antenna_max_match_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, match_size),
      NULL },

    { ngx_string("antenna_variable_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, variable_size),
      NULL },

    { ngx_string("antenna_throttle_seed"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_antenna_submit_main_conf_t, seed),
      NULL },

    /* the spool and what empties it */

    { ngx_string("antenna_spool"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_antenna_conf_spool,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("antenna_spool_sync"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, spool_sync),
      &ngx_antenna_syncs },

    { ngx_string("antenna_spool_max_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, spool_max_size),
      NULL },

    { ngx_string("antenna_spool_min_free"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, spool_min_free),
      NULL },

    { ngx_string("antenna_store_to"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, store_to),
      NULL },

    { ngx_string("antenna_layout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, layout),
      &ngx_antenna_layouts },

    { ngx_string("antenna_crashmovers"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, crashmovers),
      &ngx_antenna_movers_bounds },

    { ngx_string("antenna_retry_max"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_antenna_submit_loc_conf_t, retry_max),
      NULL },

    { ngx_string("antenna_log"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_antenna_conf_log,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_antenna_submit_module_ctx = {
    ngx_antenna_submit_preconfiguration,   /* preconfiguration */
    ngx_antenna_submit_postconfiguration,  /* postconfiguration */

    ngx_antenna_submit_create_main_conf,   /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_antenna_submit_create_loc_conf,    /* create location configuration */
    ngx_antenna_submit_merge_loc_conf      /* merge location configuration */
};


ngx_module_t  ngx_antenna_submit_module = {
    NGX_MODULE_V1,
    &ngx_antenna_submit_module_ctx,        /* module context */
    ngx_antenna_submit_commands,           /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_antenna_submit_init_process,       /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_antenna_submit_exit_process,       /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* as ngx_tecken_download_abi */
const ngx_uint_t  *ngx_antenna_submit_abi = &NGX_TECKEN_ABI;


static ngx_int_t
ngx_antenna_submit_preconfiguration(ngx_conf_t *cf)
{
    return ngx_antenna_submit_add_variables(cf);
}


static ngx_int_t
ngx_antenna_submit_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                        i;
    ngx_antenna_spool_t             **spool;
    ngx_tecken_main_conf_t           *tmcf;
    ngx_antenna_submit_main_conf_t   *amcf;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_antenna_submit_module);

    if (amcf->spools.nelts == 0) {
        return NGX_OK;
    }

    spool = amcf->spools.elts;

    if (tmcf->shm_zone == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"antenna_submit\" needs \"tecken_zone\" in %s:%ui",
                      spool[0]->file_name, spool[0]->line);
        return NGX_ERROR;
    }

    for (i = 0; i < amcf->spools.nelts; i++) {
        spool[i]->thread_pool = tmcf->io_thread_pool;
    }

    if (ngx_antenna_checks_add(cf, tmcf->heartbeat, &amcf->spools)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_antenna_metrics_add(cf, amcf);
}


static void *
ngx_antenna_submit_create_main_conf(ngx_conf_t *cf)
{
    ngx_antenna_submit_main_conf_t  *amcf;

    amcf = ngx_pcalloc(cf->pool, sizeof(ngx_antenna_submit_main_conf_t));
    if (amcf == NULL) {
        return NULL;
    }

    amcf->seed = NGX_CONF_UNSET_UINT;

    if (ngx_array_init(&amcf->throttles, cf->pool, 2,
                       sizeof(ngx_antenna_throttle_t *))
        != NGX_OK
        || ngx_array_init(&amcf->spools, cf->pool, 2,
                          sizeof(ngx_antenna_spool_t *))
           != NGX_OK)
    {
        return NULL;
    }

    return amcf;
}


static void *
ngx_antenna_submit_create_loc_conf(ngx_conf_t *cf)
{
    ngx_antenna_submit_loc_conf_t  *alcf;

    alcf = ngx_pcalloc(cf->pool, sizeof(ngx_antenna_submit_loc_conf_t));
    if (alcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     alcf->enable = 0;
     *     alcf->any_path = 0;
     *     alcf->throttle_name = { 0, NULL };
     *     alcf->spool_path = { 0, NULL };
     *     alcf->store_to = { 0, NULL };
     */

    alcf->dialect = NGX_CONF_UNSET_UINT;
    alcf->strict = NGX_CONF_UNSET;
    alcf->allow_origin = NGX_CONF_UNSET_PTR;

    alcf->inflated_size = NGX_CONF_UNSET;
    alcf->annotation_size = NGX_CONF_UNSET_SIZE;
    alcf->annotations_size = NGX_CONF_UNSET_SIZE;
    alcf->annotations = NGX_CONF_UNSET_UINT;
    alcf->parts = NGX_CONF_UNSET_UINT;
    alcf->part_headers = NGX_CONF_UNSET_UINT;
    alcf->part_headers_size = NGX_CONF_UNSET_SIZE;
    alcf->json_depth = NGX_CONF_UNSET_UINT;
    alcf->dumps = NGX_CONF_UNSET_UINT;
    alcf->body_timeout = NGX_CONF_UNSET_MSEC;
    alcf->body_min_rate = NGX_CONF_UNSET_SIZE;

    alcf->match_size = NGX_CONF_UNSET_SIZE;
    alcf->variable_size = NGX_CONF_UNSET_SIZE;

    alcf->client_id = NGX_CONF_UNSET_UINT;
    alcf->aliases = NGX_CONF_UNSET_PTR;
    alcf->removed = NGX_CONF_UNSET_PTR;

    alcf->spool_sync = NGX_CONF_UNSET_UINT;
    alcf->spool_max_size = NGX_CONF_UNSET;
    alcf->spool_min_free = NGX_CONF_UNSET;
    alcf->layout = NGX_CONF_UNSET_UINT;
    alcf->crashmovers = NGX_CONF_UNSET_UINT;
    alcf->retry_max = NGX_CONF_UNSET_MSEC;

    return alcf;
}


static char *
ngx_antenna_submit_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_antenna_submit_loc_conf_t *prev = parent;
    ngx_antenna_submit_loc_conf_t *conf = child;

    char                            *rv;
    ngx_http_core_loc_conf_t        *clcf;
    ngx_antenna_submit_main_conf_t  *amcf;

    ngx_conf_merge_uint_value(conf->dialect, prev->dialect,
                              NGX_ANTENNA_DIALECT_2026);
    ngx_conf_merge_value(conf->strict, prev->strict, 0);
    ngx_conf_merge_ptr_value(conf->allow_origin, prev->allow_origin, NULL);

    ngx_conf_merge_off_value(conf->inflated_size, prev->inflated_size,
                             100 * 1024 * 1024);
    ngx_conf_merge_size_value(conf->annotation_size, prev->annotation_size,
                              TK_ANNOTATION);
    ngx_conf_merge_size_value(conf->annotations_size, prev->annotations_size,
                              TK_ANNOTATIONS);
    ngx_conf_merge_uint_value(conf->annotations, prev->annotations,
                              TK_ANNOTATIONS_NAMES);
    ngx_conf_merge_uint_value(conf->parts, prev->parts, TK_FORM_PARTS);
    ngx_conf_merge_uint_value(conf->part_headers, prev->part_headers,
                              TK_FORM_HEADERS);
    ngx_conf_merge_size_value(conf->part_headers_size,
                              prev->part_headers_size, TK_FORM_HEADERS_SIZE);
    ngx_conf_merge_uint_value(conf->json_depth, prev->json_depth,
                              TK_ANNOTATIONS_DEPTH);
    ngx_conf_merge_uint_value(conf->dumps, prev->dumps, TK_DUMPS);
    ngx_conf_merge_msec_value(conf->body_timeout, prev->body_timeout, 900000);
    ngx_conf_merge_size_value(conf->body_min_rate, prev->body_min_rate, 256);

    if (conf->client_id == NGX_CONF_UNSET_UINT) {
        conf->tokens = prev->tokens;
    }

    ngx_conf_merge_uint_value(conf->client_id, prev->client_id,
                              NGX_ANTENNA_ID_ACCEPT);
    ngx_conf_merge_ptr_value(conf->aliases, prev->aliases, NULL);
    ngx_conf_merge_ptr_value(conf->removed, prev->removed, NULL);
    ngx_conf_merge_str_value(conf->throttle_name, prev->throttle_name, "all");
    ngx_conf_merge_size_value(conf->match_size, prev->match_size, 65536);
    ngx_conf_merge_size_value(conf->variable_size, prev->variable_size, 16384);

    ngx_antenna_submit_merge_spool_values(prev, conf);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* an "if" in the location keeps the handler, so it needs all of this;
     * "limit_except" needs the handler, too */

    if (clcf->noname && prev->enable) {
        conf->enable = 1;
        conf->any_path = prev->any_path;
        conf->file_name = prev->file_name;
        conf->line = prev->line;

        if (clcf->lmt_excpt && clcf->handler == NULL) {
            clcf->handler = ngx_antenna_submit_handler;
        }
    }

    if (!conf->enable) {
        return NGX_CONF_OK;
    }

    if (conf->dialect == NGX_ANTENNA_DIALECT_2018) {
        amcf = ngx_http_conf_get_module_main_conf(cf,
                                                  ngx_antenna_submit_module);
        amcf->dialect_2018 = 1;
    }

    rv = ngx_antenna_submit_merge_form(cf, conf);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_antenna_submit_merge_spool(cf, conf);
}


static void
ngx_antenna_submit_merge_spool_values(ngx_antenna_submit_loc_conf_t *prev,
    ngx_antenna_submit_loc_conf_t *conf)
{
    ngx_conf_merge_str_value(conf->spool_path, prev->spool_path, "");
    ngx_conf_merge_uint_value(conf->spool_sync, prev->spool_sync,
                              NGX_ANTENNA_SYNC_STRICT);
    ngx_conf_merge_off_value(conf->spool_max_size, prev->spool_max_size, 0);
    ngx_conf_merge_off_value(conf->spool_min_free, prev->spool_min_free,
                             256 * 1024 * 1024);
    ngx_conf_merge_str_value(conf->store_to, prev->store_to, "");
    ngx_conf_merge_uint_value(conf->layout, prev->layout,
                              TK_CRASH_2018);
    ngx_conf_merge_uint_value(conf->crashmovers, prev->crashmovers, 8);
    ngx_conf_merge_msec_value(conf->retry_max, prev->retry_max, 300000);
}


static ngx_int_t
ngx_antenna_submit_init_process(ngx_cycle_t *cycle)
{
    ngx_antenna_submit_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_antenna_submit_module);

    if (amcf == NULL || amcf->spools.nelts == 0
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    if (amcf->seed != NGX_CONF_UNSET_UINT) {
        ngx_antenna_random_state = amcf->seed;

    } else if (RAND_bytes((u_char *) &ngx_antenna_random_state,
                          sizeof(uint64_t))
               != 1)
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "RAND_bytes() failed");
        return NGX_ERROR;
    }

    if (ngx_antenna_spools_init_worker(cycle, &amcf->spools) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_antenna_submit_movers(cycle, amcf);
}


static ngx_int_t
ngx_antenna_submit_movers(ngx_cycle_t *cycle,
    ngx_antenna_submit_main_conf_t *amcf)
{
    ngx_uint_t             i;
    ngx_antenna_spool_t  **spool;

    amcf->movers = ngx_pcalloc(cycle->pool, amcf->spools.nelts
                                            * sizeof(ngx_antenna_mover_t *));
    if (amcf->movers == NULL) {
        return NGX_ERROR;
    }

    spool = amcf->spools.elts;

    for (i = 0; i < amcf->spools.nelts; i++) {
        amcf->movers[i] = ngx_antenna_mover_start(cycle, spool[i],
                                                  ngx_antenna_metrics_moved,
                                                  amcf);
        if (amcf->movers[i] == NULL) {
            return NGX_ERROR;
        }
    }

    return ngx_tecken_exit_add(ngx_antenna_submit_stop);
}


/* while what is on its way to a storage can be cancelled */

static void
ngx_antenna_submit_stop(ngx_cycle_t *cycle)
{
    ngx_uint_t                       i;
    ngx_antenna_submit_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_antenna_submit_module);

    if (amcf == NULL || amcf->movers == NULL) {
        return;
    }

    for (i = 0; i < amcf->spools.nelts; i++) {
        ngx_antenna_mover_stop(amcf->movers[i]);
    }
}


static void
ngx_antenna_submit_exit_process(ngx_cycle_t *cycle)
{
    ngx_antenna_submit_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_antenna_submit_module);

    if (amcf) {
        ngx_antenna_spools_exit_worker(&amcf->spools);
    }
}


static char *
ngx_antenna_submit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_antenna_submit_loc_conf_t *alcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    if (alcf->enable) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_antenna_submit_handler;

    alcf->any_path = clcf->exact_match || clcf->named;
#if (NGX_PCRE)
    alcf->any_path |= (clcf->regex != NULL);
#endif

    alcf->enable = 1;
    alcf->file_name = cf->conf_file->file.name.data;
    alcf->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


static char *
ngx_antenna_submit_positive(ngx_conf_t *cf, void *post, void *data)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (value[1].data[0] == '0') {
        return "must not be 0";
    }

    return NGX_CONF_OK;
}


/* a form has room for so many */

static char *
ngx_antenna_submit_headers_size(ngx_conf_t *cf, void *post, void *data)
{
    size_t *size = data;

    if (*size > TK_FORM_HEADERS_SIZE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "antenna_max_part_headers_size is %d bytes at most",
                           TK_FORM_HEADERS_SIZE);
        return NGX_CONF_ERROR;
    }

    return ngx_antenna_submit_positive(cf, post, data);
}
