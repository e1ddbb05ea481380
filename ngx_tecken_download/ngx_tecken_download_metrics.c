
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_download.h>


/* a series that each source has */

typedef struct {
    ngx_tecken_metric_t  *m;
    ngx_uint_t            type;
    const char           *name;
    const char           *help;
    const char           *result;
    const char           *key;
    const char           *public_key;
} ngx_tecken_download_series_t;


static ngx_int_t ngx_tecken_download_add_source(ngx_conf_t *cf,
    ngx_tecken_main_conf_t *tmcf, ngx_tecken_storage_t *st,
    ngx_tecken_download_source_metrics_t *m);
static void ngx_tecken_download_series(ngx_tecken_metric_t *m,
    ngx_uint_t type, const char *name, const char *help, const char *key);
static ngx_int_t ngx_tecken_download_labels(ngx_conf_t *cf,
    ngx_tecken_metric_t *m, ngx_str_t *source, const char *result);


static const char  *ngx_tecken_download_results[] = {
    "found",
    "missing",
    "ignored",
    "invalid",
    "no_route",
    "legacy_product",
    "failed"
};


/* keys of statsd: Tecken of 2020, by grep of "metrics." */

ngx_int_t
ngx_tecken_download_add_metrics(ngx_conf_t *cf,
    ngx_tecken_download_main_conf_t *dmcf)
{
    ngx_uint_t               i;
    ngx_tecken_metric_t     *m;
    ngx_tecken_storage_t   **st;
    ngx_tecken_main_conf_t  *tmcf;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);

    for (i = 0; i < NGX_TECKEN_DOWNLOAD_RESULTS; i++) {

        m = &dmcf->results[i];

        ngx_tecken_download_series(m, NGX_TECKEN_METRIC_COUNTER,
                                   "tecken_download_requests_total",
                                   "Requests for symbols by result",
                                   i == NGX_TECKEN_DOWNLOAD_LEGACY
                                   ? "download_legacyproduct" : "");

        if (ngx_tecken_download_labels(cf, m, NULL,
                                       ngx_tecken_download_results[i])
            != NGX_OK
            || ngx_tecken_metrics_add(cf, tmcf->metrics, m) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_tecken_download_series(&dmcf->time, NGX_TECKEN_METRIC_HISTOGRAM,
                               "tecken_download_symbol_seconds",
                               "Time to find out who has a symbol",
                               "download_symbol");

    ngx_tecken_download_series(&dmcf->not_found, NGX_TECKEN_METRIC_COUNTER,
                               "tecken_download_missing_symbols_total",
                               "GET requests logged as missing symbols",
                               "download_store_missing_symbol");

    if (ngx_tecken_metrics_add(cf, tmcf->metrics, &dmcf->time) != NGX_OK
        || ngx_tecken_metrics_add(cf, tmcf->metrics, &dmcf->not_found)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    st = tmcf->storages.elts;

    dmcf->sources = ngx_pcalloc(cf->pool, tmcf->storages.nelts
                                * sizeof(ngx_tecken_download_source_metrics_t));
    if (dmcf->sources == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < tmcf->storages.nelts; i++) {
        if (ngx_tecken_download_add_source(cf, tmcf, st[i], &dmcf->sources[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_download_add_source(ngx_conf_t *cf, ngx_tecken_main_conf_t *tmcf,
    ngx_tecken_storage_t *st, ngx_tecken_download_source_metrics_t *m)
{
    ngx_uint_t                     i;
    ngx_tecken_download_series_t  *s;

    ngx_tecken_download_series_t  series[] = {

        { &m->hit, NGX_TECKEN_METRIC_COUNTER,
          "tecken_download_cache_total",
          "Answers of the existence cache by source", "hit",
          "symboldownloader_exists_cache_hit",
          "symboldownloader_public_exists_cache_hit" },

        { &m->miss, NGX_TECKEN_METRIC_COUNTER,
          "tecken_download_cache_total",
          "Answers of the existence cache by source", "miss",
          "symboldownloader_exists_cache_miss",
          "symboldownloader_public_exists_cache_miss" },

        { &m->found, NGX_TECKEN_METRIC_COUNTER,
          "tecken_download_lookups_total",
          "Lookups in a source by result", "found", "", "" },

        { &m->missing, NGX_TECKEN_METRIC_COUNTER,
          "tecken_download_lookups_total",
          "Lookups in a source by result", "missing", "", "" },

        { &m->failed, NGX_TECKEN_METRIC_COUNTER,
          "tecken_download_lookups_total",
          "Lookups in a source by result", "failed", "", "" },

        { &m->time, NGX_TECKEN_METRIC_HISTOGRAM,
          "tecken_download_lookup_seconds",
          "Time of a lookup in a source, all attempts", NULL,
          "symboldownloader_exists", "symboldownloader_public_exists" }
    };

    for (i = 0; i < sizeof(series) / sizeof(series[0]); i++) {

        s = &series[i];

        ngx_tecken_download_series(s->m, s->type, s->name, s->help,
                                   st->public ? s->public_key : s->key);

        if (ngx_tecken_download_labels(cf, s->m, &st->name, s->result)
            != NGX_OK
            || ngx_tecken_metrics_add(cf, tmcf->metrics, s->m) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_tecken_download_series(ngx_tecken_metric_t *m, ngx_uint_t type,
    const char *name, const char *help, const char *key)
{
    m->type = type;

    m->name.data = (u_char *) name;
    m->name.len = ngx_strlen(name);
    m->help.data = (u_char *) help;
    m->help.len = ngx_strlen(help);
    m->key.data = (u_char *) key;
    m->key.len = ngx_strlen(key);
}


static ngx_int_t
ngx_tecken_download_labels(ngx_conf_t *cf, ngx_tecken_metric_t *m,
    ngx_str_t *source, const char *result)
{
    u_char  *p;
    size_t   len;

    len = sizeof("source=\"\",result=\"\"")
          + (source ? source->len : 0) + (result ? ngx_strlen(result) : 0);

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    m->labels.data = p;

    if (source) {
        p = ngx_sprintf(p, "source=\"%V\"", source);

        if (result) {
            *p++ = ',';
        }
    }

    if (result) {
        p = ngx_sprintf(p, "result=\"%s\"", result);
    }

    m->labels.len = p - m->labels.data;

    return NGX_OK;
}


ngx_tecken_download_source_metrics_t *
ngx_tecken_download_source_metrics(ngx_http_request_t *r,
    ngx_tecken_storage_t *st)
{
    ngx_tecken_download_main_conf_t  *dmcf;

    dmcf = ngx_http_get_module_main_conf(r, ngx_tecken_download_module);

    return &dmcf->sources[st->index];
}


void
ngx_tecken_download_count(ngx_http_request_t *r,
    ngx_tecken_download_result_e result)
{
    ngx_tecken_download_main_conf_t  *dmcf;

    dmcf = ngx_http_get_module_main_conf(r, ngx_tecken_download_module);

    ngx_tecken_metrics_count(&dmcf->results[result], 1);
}
