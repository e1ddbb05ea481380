
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_DOWNLOAD_H_INCLUDED_
#define _NGX_TECKEN_DOWNLOAD_H_INCLUDED_


#include <ngx_tecken.h>
#include <tk_symbol.h>


#define NGX_TECKEN_DOWNLOAD_REDIRECT  0
#define NGX_TECKEN_DOWNLOAD_PROXY     1


/* what became of a request, the label "result" of its counter */

typedef enum {
    NGX_TECKEN_DOWNLOAD_FOUND = 0,
    NGX_TECKEN_DOWNLOAD_MISSING,
    NGX_TECKEN_DOWNLOAD_IGNORED,
    NGX_TECKEN_DOWNLOAD_INVALID,
    NGX_TECKEN_DOWNLOAD_NO_ROUTE,
    NGX_TECKEN_DOWNLOAD_LEGACY,
    NGX_TECKEN_DOWNLOAD_FAILED,
    NGX_TECKEN_DOWNLOAD_RESULTS
} ngx_tecken_download_result_e;


/* series of one storage */

typedef struct {
    ngx_tecken_metric_t              hit;
    ngx_tecken_metric_t              miss;
    ngx_tecken_metric_t              found;
    ngx_tecken_metric_t              missing;
    ngx_tecken_metric_t              failed;
    ngx_tecken_metric_t              time;
} ngx_tecken_download_source_metrics_t;


typedef struct {
    ngx_tecken_metric_t              results[NGX_TECKEN_DOWNLOAD_RESULTS];
    ngx_tecken_metric_t              time;
    ngx_tecken_metric_t              not_found;       /* logged as missing */

    /* in the order of tmcf->storages */
    ngx_tecken_download_source_metrics_t
                                    *sources;

    ngx_array_t                     *proxied;  /* to check: ..._proxied_t */
} ngx_tecken_download_main_conf_t;


typedef struct {
    ngx_flag_t                       enable;

    ngx_array_t                     *products;        /* ngx_str_t */
    tk_str_t                        *routes;          /* the same */
    ngx_array_t                     *extensions;      /* ngx_str_t */
    ngx_array_t                     *ignore;          /* ngx_str_t: files */
    ngx_array_t                     *ignore_ids;      /* ngx_str_t */

    ngx_uint_t                       mode;
    ngx_str_t                        location;        /* to proxy in */
    time_t                           presign_expires;
    ngx_http_complex_value_t        *cache_control;

    u_char                          *file_name;       /* where it is enabled */
    ngx_uint_t                       line;

    unsigned                         server:1;        /* has such a location */
} ngx_tecken_download_loc_conf_t;


#define ngx_tecken_str_set(dst, src)                                          \
    (dst)->len = (src)->len; (dst)->data = (u_char *) (src)->data


typedef struct ngx_tecken_download_ctx_s    ngx_tecken_download_ctx_t;
typedef struct ngx_tecken_download_slot_s   ngx_tecken_download_slot_t;
typedef struct ngx_tecken_download_probe_s  ngx_tecken_download_probe_t;


/* what one request knows of one source */

struct ngx_tecken_download_slot_s {
    ngx_tecken_storage_t            *storage;
    ngx_tecken_download_ctx_t       *ctx;
    ngx_tecken_download_probe_t     *probe;           /* if rc is NGX_AGAIN */
    ngx_int_t                        rc;              /* as a store's head */

    unsigned                         cached:1;
};


struct ngx_tecken_download_ctx_s {
    ngx_http_request_t              *request;

    ngx_str_t                        path;            /* decoded */
    tk_symbol_t                      symbol;
    ngx_str_t                        key;

    ngx_tecken_download_slot_t      *slots;
    ngx_uint_t                       nslots;

    uint64_t                         started;         /* usec */
    uint64_t                         usec;            /* of the lookup */

    /* the answer */

    ngx_tecken_storage_t            *source;
    ngx_str_t                        url;             /* presigned, to proxy */
    ngx_str_t                        cache_control;   /* if proxied */
    ngx_str_t                        file;            /* of a file storage */
    ngx_open_file_info_t             of;
    ngx_tecken_object_t              object;

    unsigned                         refresh:1;
    unsigned                         debug:1;
    unsigned                         routed:1;        /* symbol is set */
    unsigned                         looked_up:1;
    unsigned                         waiting:1;
    unsigned                         filtered:1;      /* its headers */
    unsigned                         cached:1;        /* no lookup was needed */
};


/* handler */

ngx_int_t ngx_tecken_download_handler(ngx_http_request_t *r);
ngx_tecken_download_ctx_t *ngx_tecken_download_get_ctx(ngx_http_request_t *r);

/* with what the lookup found; rc is the one of lookup_start() */
ngx_int_t ngx_tecken_download_done(ngx_tecken_download_ctx_t *ctx,
    ngx_int_t rc);

/* lookup */

/*
 * Asks the sources.  NGX_OK: ctx->source has it; NGX_DECLINED: none has it;
 * NGX_BUSY: none, but one failed; NGX_ERROR: out of memory; NGX_AGAIN: the
 * request is finalized later by way of ngx_tecken_download_done().
 */
ngx_int_t ngx_tecken_download_lookup(ngx_tecken_download_ctx_t *ctx);

/* answer */

ngx_int_t ngx_tecken_download_text(ngx_http_request_t *r, ngx_uint_t status,
    const char *text);
ngx_int_t ngx_tecken_download_json(ngx_http_request_t *r, ngx_uint_t status,
    const char *error, ngx_str_t *detail, ngx_str_t *path);
ngx_int_t ngx_tecken_download_empty(ngx_http_request_t *r,
    ngx_uint_t status);
ngx_int_t ngx_tecken_download_found(ngx_tecken_download_ctx_t *ctx);

/* of which storages a proxy streams the objects */
#define ngx_tecken_download_is_proxied(st)                                    \
    ((st)->type == NGX_TECKEN_STORAGE_S3 && !(st)->public                     \
     && (st)->public_url.len == 0)

/* opens ctx->file: NGX_OK, NGX_DECLINED or NGX_ERROR, as a lookup */
ngx_int_t ngx_tecken_download_open(ngx_tecken_download_ctx_t *ctx);

ngx_int_t ngx_tecken_download_failed(ngx_http_request_t *r);

/* cors */

ngx_int_t ngx_tecken_download_filter_init(ngx_conf_t *cf);

/* missing */

/*
 * A GET that missed: checks code_file and code_id, counts and logs.  NGX_OK,
 * or the status of an answer to send with *text.
 */
ngx_int_t ngx_tecken_download_missing(ngx_tecken_download_ctx_t *ctx,
    const char **text);

/* metrics */

ngx_int_t ngx_tecken_download_add_metrics(ngx_conf_t *cf,
    ngx_tecken_download_main_conf_t *dmcf);
ngx_tecken_download_source_metrics_t *ngx_tecken_download_source_metrics(
    ngx_http_request_t *r, ngx_tecken_storage_t *st);
void ngx_tecken_download_count(ngx_http_request_t *r,
    ngx_tecken_download_result_e result);

/* variables */

ngx_int_t ngx_tecken_download_add_variables(ngx_conf_t *cf);


extern ngx_module_t  ngx_tecken_download_module;


#endif /* _NGX_TECKEN_DOWNLOAD_H_INCLUDED_ */
