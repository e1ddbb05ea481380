
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_download.h>


/* keys of statsd: Tecken of 2020, by grep of "metrics." */

#define ngx_tecken_download_result(n, result, key)                            \
    { offsetof(ngx_tecken_download_main_conf_t, results[n]),                  \
      NGX_TECKEN_METRIC_COUNTER,                                              \
      ngx_string("tecken_download_requests_total"),                           \
      ngx_string("Requests for symbols by result"),                           \
      ngx_string("result=\"" result "\""),                                    \
      ngx_string(key),                                                        \
      ngx_null_string }


static ngx_tecken_metric_def_t  ngx_tecken_download_series[] = {

    ngx_tecken_download_result(NGX_TECKEN_DOWNLOAD_FOUND, "found", ""),
    ngx_tecken_download_result(NGX_TECKEN_DOWNLOAD_MISSING, "missing", ""),
    ngx_tecken_download_result(NGX_TECKEN_DOWNLOAD_IGNORED, "ignored", ""),
    ngx_tecken_download_result(NGX_TECKEN_DOWNLOAD_INVALID, "invalid", ""),
    ngx_tecken_download_result(NGX_TECKEN_DOWNLOAD_NO_ROUTE, "no_route", ""),
    ngx_tecken_download_result(NGX_TECKEN_DOWNLOAD_LEGACY, "legacy_product",
                               "download_legacyproduct"),
    ngx_tecken_download_result(NGX_TECKEN_DOWNLOAD_FAILED, "failed", ""),

    { offsetof(ngx_tecken_download_main_conf_t, time),
      NGX_TECKEN_METRIC_HISTOGRAM,
      ngx_string("tecken_download_symbol_seconds"),
      ngx_string("Time to find out who has a symbol"),
      ngx_null_string,
      ngx_string("download_symbol"),
      ngx_null_string },

    { offsetof(ngx_tecken_download_main_conf_t, not_found),
      NGX_TECKEN_METRIC_COUNTER,
      ngx_string("tecken_download_missing_symbols_total"),
      ngx_string("GET requests logged as missing symbols"),
      ngx_null_string,
      ngx_string("download_store_missing_symbol"),
      ngx_null_string },

    ngx_tecken_null_metric
};


/* of a source */

#define ngx_tecken_download_cache(m, result, key)                             \
    { offsetof(ngx_tecken_download_source_metrics_t, m),                      \
      NGX_TECKEN_METRIC_COUNTER,                                              \
      ngx_string("tecken_download_cache_total"),                              \
      ngx_string("Answers of the existence cache by source"),                 \
      ngx_string("result=\"" result "\""),                                    \
      ngx_string(key),                                                        \
      ngx_null_string }


#define ngx_tecken_download_lookup(m, result)                                 \
    { offsetof(ngx_tecken_download_source_metrics_t, m),                      \
      NGX_TECKEN_METRIC_COUNTER,                                              \
      ngx_string("tecken_download_lookups_total"),                            \
      ngx_string("Lookups in a source by result"),                            \
      ngx_string("result=\"" result "\""),                                    \
      ngx_null_string,                                                        \
      ngx_null_string }


#define ngx_tecken_download_time(key)                                         \
    { offsetof(ngx_tecken_download_source_metrics_t, time),                   \
      NGX_TECKEN_METRIC_HISTOGRAM,                                            \
      ngx_string("tecken_download_lookup_seconds"),                           \
      ngx_string("Time of a lookup in a source, all attempts"),               \
      ngx_null_string,                                                        \
      ngx_string(key),                                                        \
      ngx_null_string }


static ngx_tecken_metric_def_t  ngx_tecken_download_private_series[] = {

    ngx_tecken_download_cache(hit, "hit", "symboldownloader_exists_cache_hit"),
    ngx_tecken_download_cache(miss, "miss",
                              "symboldownloader_exists_cache_miss"),

    ngx_tecken_download_lookup(found, "found"),
    ngx_tecken_download_lookup(missing, "missing"),
    ngx_tecken_download_lookup(failed, "failed"),

    ngx_tecken_download_time("symboldownloader_exists"),

    ngx_tecken_null_metric
};


static ngx_tecken_metric_def_t  ngx_tecken_download_public_series[] = {

    ngx_tecken_download_cache(hit, "hit",
                              "symboldownloader_public_exists_cache_hit"),
    ngx_tecken_download_cache(miss, "miss",
                              "symboldownloader_public_exists_cache_miss"),

    ngx_tecken_download_lookup(found, "found"),
    ngx_tecken_download_lookup(missing, "missing"),
    ngx_tecken_download_lookup(failed, "failed"),

    ngx_tecken_download_time("symboldownloader_public_exists"),

    ngx_tecken_null_metric
};


ngx_int_t
ngx_tecken_download_add_metrics(ngx_conf_t *cf,
    ngx_tecken_download_main_conf_t *dmcf)
{
    ngx_uint_t                i;
    ngx_tecken_storage_t    **st;
    ngx_tecken_main_conf_t   *tmcf;
    ngx_tecken_metric_def_t  *def;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);

    if (ngx_tecken_metrics_define(cf, tmcf->metrics,
                                  ngx_tecken_download_series, dmcf, NULL)
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

        def = st[i]->public ? ngx_tecken_download_public_series
                            : ngx_tecken_download_private_series;

        if (ngx_tecken_metrics_define(cf, tmcf->metrics, def,
                                      &dmcf->sources[i], &st[i]->name)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

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
