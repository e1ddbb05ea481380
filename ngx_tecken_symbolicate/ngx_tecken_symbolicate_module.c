
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbolicate.h>


static ngx_int_t ngx_tecken_symbolicate_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_tecken_symbolicate_postconfiguration(ngx_conf_t *cf);
static void *ngx_tecken_symbolicate_create_main_conf(ngx_conf_t *cf);
static void *ngx_tecken_symbolicate_create_loc_conf(ngx_conf_t *cf);
static char *ngx_tecken_symbolicate_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static void ngx_tecken_symbolicate_base(ngx_tecken_symbolicate_loc_conf_t *slcf,
    ngx_http_core_loc_conf_t *clcf);
static void ngx_tecken_symbolicate_cut(ngx_str_t *s, const char *end,
    size_t len);

static char *ngx_tecken_symbolicate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_tecken_symbolicate_check_size(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_tecken_symbolicate_check_timeout(ngx_conf_t *cf, void *post,
    void *data);


static ngx_conf_num_bounds_t  ngx_tecken_symbolicate_bounds = {
    ngx_conf_check_num_bounds, 1, 1000000
};

/* a request has six levels */

static ngx_conf_num_bounds_t  ngx_tecken_symbolicate_depth_bounds = {
    ngx_conf_check_num_bounds, 6, 512
};

static ngx_conf_post_t  ngx_tecken_symbolicate_size_post = {
    ngx_tecken_symbolicate_check_size
};

static ngx_conf_post_t  ngx_tecken_symbolicate_timeout_post = {
    ngx_tecken_symbolicate_check_timeout
};


static ngx_conf_enum_t  ngx_tecken_symbolicate_source_errors[] = {
    { ngx_string("503"), NGX_TECKEN_SYMBOLICATE_SOURCES_503 },
    { ngx_string("missing"), NGX_TECKEN_SYMBOLICATE_SOURCES_MISSING },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_tecken_symbolicate_commands[] = {

    { ngx_string("tecken_symbolicate"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_tecken_symbolicate,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_symbolicate_jobs"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_symbolicate_loc_conf_t, jobs),
      &ngx_tecken_symbolicate_bounds },

    { ngx_string("tecken_symbolicate_stacks"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_symbolicate_loc_conf_t, stacks),
      &ngx_tecken_symbolicate_bounds },

    { ngx_string("tecken_symbolicate_modules"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_symbolicate_loc_conf_t, modules),
      &ngx_tecken_symbolicate_bounds },

    { ngx_string("tecken_symbolicate_frames"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_symbolicate_loc_conf_t, frames),
      &ngx_tecken_symbolicate_bounds },

    { ngx_string("tecken_symbolicate_depth"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_symbolicate_loc_conf_t, depth),
      &ngx_tecken_symbolicate_depth_bounds },

    { ngx_string("tecken_symbolicate_body_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_symbolicate_loc_conf_t, body_size),
      &ngx_tecken_symbolicate_size_post },

    { ngx_string("tecken_symbolicate_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_symbolicate_loc_conf_t, timeout),
      &ngx_tecken_symbolicate_timeout_post },

    { ngx_string("tecken_symbolicate_source_errors"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_symbolicate_loc_conf_t, source_errors),
      &ngx_tecken_symbolicate_source_errors },

      ngx_null_command
};


static ngx_http_module_t  ngx_tecken_symbolicate_module_ctx = {
    ngx_tecken_symbolicate_preconfiguration,  /* preconfiguration */
    ngx_tecken_symbolicate_postconfiguration, /* postconfiguration */

    ngx_tecken_symbolicate_create_main_conf,  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_tecken_symbolicate_create_loc_conf, /* create location configuration */
    ngx_tecken_symbolicate_merge_loc_conf  /* merge location configuration */
};


ngx_module_t  ngx_tecken_symbolicate_module = {
    NGX_MODULE_V1,
    &ngx_tecken_symbolicate_module_ctx,    /* module context */
    ngx_tecken_symbolicate_commands,       /* module directives */
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


/*
 * Another version of the common module does not load with this one.  Not
 * static: the compiler would drop it, and the symbol it needs.
 */
const ngx_uint_t  *ngx_tecken_symbolicate_abi = &NGX_TECKEN_ABI;


static ngx_int_t
ngx_tecken_symbolicate_preconfiguration(ngx_conf_t *cf)
{
    return ngx_tecken_symbolicate_add_variables(cf);
}


static ngx_int_t
ngx_tecken_symbolicate_postconfiguration(ngx_conf_t *cf)
{
    ngx_tecken_main_conf_t              *tmcf;
    ngx_tecken_symbolicate_main_conf_t  *smcf;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    smcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_tecken_symbolicate_module);

    if (tmcf->shm_zone == NULL) {
        return NGX_OK;
    }

    if (ngx_tecken_symbolicate_add_metrics(cf, smcf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_tecken_symbolicate_filter_init(cf);
}


static void *
ngx_tecken_symbolicate_create_main_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_tecken_symbolicate_main_conf_t));
}


static void *
ngx_tecken_symbolicate_create_loc_conf(ngx_conf_t *cf)
{
    ngx_tecken_symbolicate_loc_conf_t  *slcf;

    slcf = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_symbolicate_loc_conf_t));
    if (slcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     slcf->enable = 0;
     *     slcf->version = 0;
     *     slcf->base = { 0, NULL };
     */

    slcf->jobs = NGX_CONF_UNSET;
    slcf->stacks = NGX_CONF_UNSET;
    slcf->modules = NGX_CONF_UNSET;
    slcf->frames = NGX_CONF_UNSET;
    slcf->depth = NGX_CONF_UNSET;
    slcf->body_size = NGX_CONF_UNSET_SIZE;
    slcf->timeout = NGX_CONF_UNSET_MSEC;
    slcf->source_errors = NGX_CONF_UNSET_UINT;

    return slcf;
}


static char *
ngx_tecken_symbolicate_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_tecken_symbolicate_loc_conf_t *prev = parent;
    ngx_tecken_symbolicate_loc_conf_t *conf = child;

    ngx_tecken_loc_conf_t     *tlcf;
    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_value(conf->jobs, prev->jobs, 10);
    ngx_conf_merge_value(conf->stacks, prev->stacks, 1000);
    ngx_conf_merge_value(conf->modules, prev->modules, 1000);
    ngx_conf_merge_value(conf->frames, prev->frames, 100000);
    ngx_conf_merge_value(conf->depth, prev->depth, 32);
    ngx_conf_merge_size_value(conf->body_size, prev->body_size,
                              10 * 1024 * 1024);
    ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 60000);
    ngx_conf_merge_uint_value(conf->source_errors, prev->source_errors,
                              NGX_TECKEN_SYMBOLICATE_SOURCES_503);

    conf->limits.jobs = (uint32_t) conf->jobs;
    conf->limits.stacks = (uint32_t) conf->stacks;
    conf->limits.modules = (uint32_t) conf->modules;
    conf->limits.frames = (uint32_t) conf->frames;
    conf->limits.depth = (uint32_t) conf->depth;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* an "if" in the location keeps the handler, so it needs all of this;
     * "limit_except" needs the handler, too */

    if (clcf->noname && prev->enable) {
        conf->enable = 1;
        conf->version = prev->version;
        conf->base = prev->base;
        conf->any_base = prev->any_base;
        conf->file_name = prev->file_name;
        conf->line = prev->line;

        if (clcf->lmt_excpt && clcf->handler == NULL) {
            clcf->handler = ngx_tecken_symbolicate_handler;
        }

    } else if (conf->enable) {
        ngx_tecken_symbolicate_base(conf, clcf);
    }

    if (!conf->enable) {
        return NGX_CONF_OK;
    }

    /* nginx's own limit, of 1m, does not know what it is for */

    clcf->client_max_body_size = conf->body_size;

    tlcf = ngx_http_conf_get_module_loc_conf(cf, ngx_tecken_common_module);

    /* the common module is the first of the two, its merge is done */

    if (tlcf->sources == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"tecken_symbolicate\" needs \"tecken_sources\" "
                      "in %s:%ui", conf->file_name, conf->line);
        return NGX_CONF_ERROR;
    }

    if (tlcf->symcache == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"tecken_symbolicate\" needs \"tecken_symcache_path\" "
                      "in %s:%ui", conf->file_name, conf->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* "/x/symbolicate/" and "/x/" serve /x/symbolicate/v5 and nothing else; of a
 * regular expression any URI that ends so will do */

static void
ngx_tecken_symbolicate_base(ngx_tecken_symbolicate_loc_conf_t *slcf,
    ngx_http_core_loc_conf_t *clcf)
{
    slcf->base = clcf->name;

#if (NGX_PCRE)
    slcf->any_base = (clcf->regex != NULL);
#endif
    slcf->any_base |= clcf->named;

    ngx_tecken_symbolicate_cut(&slcf->base, "/", 1);
    ngx_tecken_symbolicate_cut(&slcf->base, "/v4", 3);
    ngx_tecken_symbolicate_cut(&slcf->base, "/v5", 3);
    ngx_tecken_symbolicate_cut(&slcf->base, "/symbolicate", 12);
}


static void
ngx_tecken_symbolicate_cut(ngx_str_t *s, const char *end, size_t len)
{
    if (s->len >= len && ngx_memcmp(s->data + s->len - len, end, len) == 0) {
        s->len -= len;
    }
}


static char *
ngx_tecken_symbolicate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_symbolicate_loc_conf_t *slcf = conf;

    ngx_str_t                 *value;
    ngx_tecken_main_conf_t    *tmcf;
    ngx_http_core_loc_conf_t  *clcf;

    if (slcf->enable) {
        return "is duplicate";
    }

    if (cf->args->nelts == 2) {

        value = cf->args->elts;

        if (ngx_strcmp(value[1].data, "v4") == 0) {
            slcf->version = 4;

        } else if (ngx_strcmp(value[1].data, "v5") == 0) {
            slcf->version = 5;

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid version \"%V\", it is to be \"v4\" or "
                               "\"v5\"", &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    slcf->enable = 1;
    slcf->file_name = cf->conf_file->file.name.data;
    slcf->line = cf->conf_file->line;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    tmcf->used = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "conflicts with another handler of the location";
    }

    clcf->handler = ngx_tecken_symbolicate_handler;

    return NGX_CONF_OK;
}


/* the limit of the arrays in tk_symreq_t; 0 would be none */

static char *
ngx_tecken_symbolicate_check_size(ngx_conf_t *cf, void *post, void *data)
{
    size_t *sp = data;

    if (*sp == 0 || *sp > 1024 * 1024 * 1024) {
        return "must be from 1 to 1024m";
    }

    return NGX_CONF_OK;
}


static char *
ngx_tecken_symbolicate_check_timeout(ngx_conf_t *cf, void *post, void *data)
{
    ngx_msec_t *sp = data;

    return *sp ? NGX_CONF_OK : "must not be 0";
}
