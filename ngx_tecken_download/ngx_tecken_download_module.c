
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_download.h>


typedef struct {
    ngx_tecken_download_loc_conf_t  *dlcf;
    ngx_tecken_loc_conf_t           *tlcf;
    ngx_http_core_srv_conf_t        *cscf;
} ngx_tecken_download_proxied_t;


static ngx_int_t ngx_tecken_download_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_tecken_download_postconfiguration(ngx_conf_t *cf);
static void *ngx_tecken_download_create_main_conf(ngx_conf_t *cf);
static void *ngx_tecken_download_create_loc_conf(ngx_conf_t *cf);
static char *ngx_tecken_download_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_tecken_download_proxied(ngx_conf_t *cf,
    ngx_tecken_download_loc_conf_t *dlcf, ngx_tecken_loc_conf_t *tlcf);
static ngx_int_t ngx_tecken_download_check_proxied(ngx_conf_t *cf,
    ngx_tecken_download_proxied_t *p);
static ngx_int_t ngx_tecken_download_defaults(ngx_conf_t *cf,
    ngx_array_t **array, const char **values);

static char *ngx_tecken_download(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_tecken_download_list(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_uint_t ngx_tecken_download_word(ngx_str_t *word);
static char *ngx_tecken_download_ignore(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_tecken_download_mode(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_tecken_download_presign_expires(ngx_conf_t *cf, void *post,
    void *data);


static const char  *ngx_tecken_download_default_products[] = {
    "firefox", "seamonkey", "sunbird", "thunderbird", "xulrunner", "fennec",
    "b2g", NULL
};

static const char  *ngx_tecken_download_default_extensions[] = {
    ".sym", ".dl_", ".ex_", ".pd_", ".dbg.gz", ".tar.bz2", NULL
};

static const char  *ngx_tecken_download_default_ignore[] = {
    "file.ptr", "index2.txt", "pingme.txt", NULL
};

static const char  *ngx_tecken_download_default_ignore_ids[] = {
    "000000000000000000000000000000000", NULL
};


static ngx_conf_post_t  ngx_tecken_download_presign_post = {
    ngx_tecken_download_presign_expires
};


static ngx_command_t  ngx_tecken_download_commands[] = {

    { ngx_string("tecken_download"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_tecken_download,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_legacy_products"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_tecken_download_list,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_download_loc_conf_t, products),
      NULL },

    { ngx_string("tecken_file_extensions"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_tecken_download_list,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_download_loc_conf_t, extensions),
      NULL },

    { ngx_string("tecken_ignore"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_tecken_download_ignore,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_download_mode"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_tecken_download_mode,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_presign_expires"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_download_loc_conf_t, presign_expires),
      &ngx_tecken_download_presign_post },

    { ngx_string("tecken_cache_control"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_download_loc_conf_t, cache_control),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_tecken_download_module_ctx = {
    ngx_tecken_download_preconfiguration,  /* preconfiguration */
    ngx_tecken_download_postconfiguration, /* postconfiguration */

    ngx_tecken_download_create_main_conf,  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_tecken_download_create_loc_conf,   /* create location configuration */
    ngx_tecken_download_merge_loc_conf     /* merge location configuration */
};


ngx_module_t  ngx_tecken_download_module = {
    NGX_MODULE_V1,
    &ngx_tecken_download_module_ctx,       /* module context */
    ngx_tecken_download_commands,          /* module directives */
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
const ngx_uint_t  *ngx_tecken_download_abi = &NGX_TECKEN_ABI;


static ngx_int_t
ngx_tecken_download_preconfiguration(ngx_conf_t *cf)
{
    return ngx_tecken_download_add_variables(cf);
}


static ngx_int_t
ngx_tecken_download_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                        i;
    ngx_tecken_main_conf_t           *tmcf;
    ngx_tecken_download_proxied_t    *p;
    ngx_tecken_download_main_conf_t  *dmcf;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_download_module);

    if (tmcf->shm_zone == NULL) {
        return NGX_OK;
    }

    if (dmcf->proxied) {
        p = dmcf->proxied->elts;

        for (i = 0; i < dmcf->proxied->nelts; i++) {
            if (ngx_tecken_download_check_proxied(cf, &p[i]) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    if (ngx_tecken_download_add_metrics(cf, dmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_tecken_download_filter_init(cf);
}


static void *
ngx_tecken_download_create_main_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_tecken_download_main_conf_t));
}


static void *
ngx_tecken_download_create_loc_conf(ngx_conf_t *cf)
{
    ngx_tecken_download_loc_conf_t  *dlcf;

    dlcf = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_download_loc_conf_t));
    if (dlcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     dlcf->enable = 0;
     *     dlcf->location = { 0, NULL };
     */

    dlcf->products = NGX_CONF_UNSET_PTR;
    dlcf->extensions = NGX_CONF_UNSET_PTR;
    dlcf->ignore = NGX_CONF_UNSET_PTR;
    dlcf->ignore_ids = NGX_CONF_UNSET_PTR;
    dlcf->mode = NGX_CONF_UNSET_UINT;
    dlcf->presign_expires = NGX_CONF_UNSET;
    dlcf->cache_control = NGX_CONF_UNSET_PTR;

    return dlcf;
}


static char *
ngx_tecken_download_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_tecken_download_loc_conf_t *prev = parent;
    ngx_tecken_download_loc_conf_t *conf = child;

    ngx_str_t                 *product;
    ngx_uint_t                 i;
    ngx_tecken_loc_conf_t     *tlcf;
    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_ptr_value(conf->products, prev->products, NULL);
    ngx_conf_merge_ptr_value(conf->extensions, prev->extensions, NULL);
    ngx_conf_merge_ptr_value(conf->ignore, prev->ignore, NULL);
    ngx_conf_merge_ptr_value(conf->ignore_ids, prev->ignore_ids, NULL);
    ngx_conf_merge_sec_value(conf->presign_expires, prev->presign_expires,
                             3600);
    ngx_conf_merge_ptr_value(conf->cache_control, prev->cache_control, NULL);

    if (conf->mode == NGX_CONF_UNSET_UINT) {
        conf->location = prev->location;
    }

    ngx_conf_merge_uint_value(conf->mode, prev->mode,
                              NGX_TECKEN_DOWNLOAD_REDIRECT);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* an "if" in the location keeps the handler, so it needs all of this;
     * "limit_except" needs the handler, too */

    if (clcf->noname && prev->enable) {
        conf->enable = 1;
        conf->file_name = prev->file_name;
        conf->line = prev->line;

        if (clcf->lmt_excpt && clcf->handler == NULL) {
            clcf->handler = ngx_tecken_download_handler;
        }
    }

    if (!conf->enable) {
        return NGX_CONF_OK;
    }

    tlcf = ngx_http_conf_get_module_loc_conf(cf, ngx_tecken_common_module);

    /* the common module is the first of the two, its merge is done */

    if (tlcf->sources == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"tecken_download\" needs \"tecken_sources\" in %s:%ui",
                      conf->file_name, conf->line);
        return NGX_CONF_ERROR;
    }

    if (conf->mode == NGX_TECKEN_DOWNLOAD_PROXY
        && ngx_tecken_download_proxied(cf, conf, tlcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_tecken_download_defaults(cf, &conf->products,
                                     ngx_tecken_download_default_products)
        != NGX_OK
        || ngx_tecken_download_defaults(cf, &conf->extensions,
                                     ngx_tecken_download_default_extensions)
           != NGX_OK
        || ngx_tecken_download_defaults(cf, &conf->ignore,
                                     ngx_tecken_download_default_ignore)
           != NGX_OK
        || ngx_tecken_download_defaults(cf, &conf->ignore_ids,
                                     ngx_tecken_download_default_ignore_ids)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    conf->routes = ngx_palloc(cf->pool,
                              (conf->products->nelts + 1) * sizeof(tk_str_t));
    if (conf->routes == NULL) {
        return NGX_CONF_ERROR;
    }

    product = conf->products->elts;

    for (i = 0; i < conf->products->nelts; i++) {
        conf->routes[i].len = product[i].len;
        conf->routes[i].data = product[i].data;
    }

    return NGX_CONF_OK;
}


/* neither all storages nor a server's named locations are known in merge */

static ngx_int_t
ngx_tecken_download_proxied(ngx_conf_t *cf,
    ngx_tecken_download_loc_conf_t *dlcf, ngx_tecken_loc_conf_t *tlcf)
{
    ngx_tecken_download_proxied_t    *p;
    ngx_tecken_download_main_conf_t  *dmcf;

    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_download_module);

    if (dmcf->proxied == NULL) {
        dmcf->proxied = ngx_array_create(cf->pool, 4,
                                       sizeof(ngx_tecken_download_proxied_t));
        if (dmcf->proxied == NULL) {
            return NGX_ERROR;
        }
    }

    p = ngx_array_push(dmcf->proxied);
    if (p == NULL) {
        return NGX_ERROR;
    }

    p->dlcf = dlcf;
    p->tlcf = tlcf;
    p->cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_download_check_proxied(ngx_conf_t *cf,
    ngx_tecken_download_proxied_t *p)
{
    ngx_str_t                  *name;
    ngx_uint_t                  i, proxied;
    ngx_tecken_storage_t      **st;
    ngx_http_core_loc_conf_t  **clcfp;

    st = p->tlcf->sources->elts;
    proxied = p->tlcf->try_source
              && ngx_tecken_download_is_proxied(p->tlcf->try_source);

    for (i = 0; i < p->tlcf->sources->nelts; i++) {
        proxied |= ngx_tecken_download_is_proxied(st[i]);
    }

    if (!proxied) {
        return NGX_OK;
    }

    name = &p->dlcf->location;

    for (clcfp = p->cscf->named_locations; clcfp && *clcfp; clcfp++) {
        if ((*clcfp)->name.len == name->len
            && ngx_strncmp((*clcfp)->name.data, name->data, name->len) == 0)
        {
            return NGX_OK;
        }
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"tecken_download_mode proxy\" needs a location \"%V\" "
                  "with \"proxy_pass $tecken_url;\" for \"tecken_download\" "
                  "in %s:%ui", name, p->dlcf->file_name, p->dlcf->line);

    return NGX_ERROR;
}


static ngx_int_t
ngx_tecken_download_defaults(ngx_conf_t *cf, ngx_array_t **array,
    const char **values)
{
    ngx_str_t  *s;

    if (*array) {
        return NGX_OK;
    }

    *array = ngx_array_create(cf->pool, 8, sizeof(ngx_str_t));
    if (*array == NULL) {
        return NGX_ERROR;
    }

    for ( /* void */ ; *values; values++) {

        s = ngx_array_push(*array);
        if (s == NULL) {
            return NGX_ERROR;
        }

        s->data = (u_char *) *values;
        s->len = ngx_strlen(*values);
    }

    return NGX_OK;
}


static char *
ngx_tecken_download(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_download_loc_conf_t *dlcf = conf;

    ngx_tecken_main_conf_t          *tmcf;
    ngx_http_core_srv_conf_t        *cscf;
    ngx_http_core_loc_conf_t        *clcf;
    ngx_tecken_download_loc_conf_t  *server;

    if (dlcf->enable) {
        return "is duplicate";
    }

    dlcf->enable = 1;
    dlcf->file_name = cf->conf_file->file.name.data;
    dlcf->line = cf->conf_file->line;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    tmcf->used = 1;

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    server = cscf->ctx->loc_conf[ngx_tecken_download_module.ctx_index];
    server->server = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "conflicts with another handler of the location";
    }

    clcf->handler = ngx_tecken_download_handler;

    return NGX_CONF_OK;
}


/* a list of words, "off" for none */

static char *
ngx_tecken_download_list(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t    *value, *s;
    ngx_uint_t    i;
    ngx_array_t **array;

    array = (ngx_array_t **) (p + cmd->offset);

    if (*array != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    *array = ngx_array_create(cf->pool, cf->args->nelts, sizeof(ngx_str_t));
    if (*array == NULL) {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (!ngx_tecken_download_word(&value[i])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        s = ngx_array_push(*array);
        if (s == NULL) {
            return NGX_CONF_ERROR;
        }

        *s = value[i];
    }

    return NGX_CONF_OK;
}


/* a component of a path; "off" beside others contradicts them */

static ngx_uint_t
ngx_tecken_download_word(ngx_str_t *word)
{
    return word->len && ngx_strcmp(word->data, "off") != 0
           && ngx_strlchr(word->data, word->data + word->len, '/') == NULL;
}


/* tecken_ignore NAME ... [debug_id=ID ...], or "off" */

static char *
ngx_tecken_download_ignore(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_download_loc_conf_t *dlcf = conf;

    ngx_str_t    *value, *s, v;
    ngx_uint_t    i, valid;
    ngx_array_t  *array;

    if (dlcf->ignore != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    dlcf->ignore = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
    dlcf->ignore_ids = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));

    if (dlcf->ignore == NULL || dlcf->ignore_ids == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        v = value[i];
        array = dlcf->ignore;
        valid = ngx_tecken_download_word(&v);

        if (ngx_strncmp(v.data, "debug_id=", 9) == 0) {
            v.data += 9;
            v.len -= 9;
            array = dlcf->ignore_ids;
            valid = v.len
                    && strspn((char *) v.data, "0123456789abcdefABCDEF")
                       == v.len;
        }

        if (!valid) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        s = ngx_array_push(array);
        if (s == NULL) {
            return NGX_CONF_ERROR;
        }

        *s = v;
    }

    return NGX_CONF_OK;
}


/* tecken_download_mode redirect | proxy [@location] */

static char *
ngx_tecken_download_mode(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_download_loc_conf_t *dlcf = conf;

    ngx_str_t  *value;

    if (dlcf->mode != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "redirect") == 0 && cf->args->nelts == 2) {
        dlcf->mode = NGX_TECKEN_DOWNLOAD_REDIRECT;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "proxy") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", it is to be "
                           "\"redirect\" or \"proxy [@location]\"",
                           &value[cf->args->nelts - 1]);
        return NGX_CONF_ERROR;
    }

    dlcf->mode = NGX_TECKEN_DOWNLOAD_PROXY;

    if (cf->args->nelts == 2) {
        ngx_str_set(&dlcf->location, "@tecken");
        return NGX_CONF_OK;
    }

    if (value[2].data[0] != '@' || value[2].len == 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid named location \"%V\"", &value[2]);
        return NGX_CONF_ERROR;
    }

    dlcf->location = value[2];

    return NGX_CONF_OK;
}


/* the bounds of AWS */

static char *
ngx_tecken_download_presign_expires(ngx_conf_t *cf, void *post, void *data)
{
    time_t *sp = data;

    if (*sp < 1 || *sp > 604800) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"tecken_presign_expires\" is to be from 1s to "
                           "7d");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
