
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_fetch.h>


static uint64_t ngx_tecken_fetch_running(ngx_tecken_metric_t *m);
static uint64_t ngx_tecken_fetch_waiting(ngx_tecken_metric_t *m);


/* keys of statsd: Eliot's statsd_metrics.yaml */

#define ngx_tecken_fetch_result(m, result)                                    \
    { offsetof(ngx_tecken_fetch_metrics_t, m),                                \
      NGX_TECKEN_METRIC_COUNTER,                                              \
      ngx_string("tecken_symcache_fetches_total"),                            \
      ngx_string("Modules fetched by result"),                                \
      ngx_string("result=\"" result "\""),                                    \
      ngx_null_string,                                                        \
      ngx_null_string }


#define ngx_tecken_fetch_bad(m, reason, tag)                                  \
    { offsetof(ngx_tecken_fetch_metrics_t, m),                                \
      NGX_TECKEN_METRIC_COUNTER,                                              \
      ngx_string("tecken_symcache_bad_files_total"),                          \
      ngx_string("Symbol files not used by reason"),                          \
      ngx_string("reason=\"" reason "\""),                                    \
      ngx_string("symbolicate.parse_sym_file.error"),                         \
      ngx_string("reason:" tag) }


#define ngx_tecken_fetch_download(m, result, response)                        \
    { offsetof(ngx_tecken_fetch_source_metrics_t, m),                         \
      NGX_TECKEN_METRIC_HISTOGRAM,                                            \
      ngx_string("tecken_symcache_download_seconds"),                         \
      ngx_string("Time of a download from a source by result"),               \
      ngx_string("result=\"" result "\""),                                    \
      ngx_string("downloader.download"),                                      \
      ngx_string("response:" response) }


static ngx_tecken_metric_def_t  ngx_tecken_fetch_series[] = {

    ngx_tecken_fetch_result(built, "built"),
    ngx_tecken_fetch_result(missing, "missing"),
    ngx_tecken_fetch_result(source_failed, "source_failed"),
    ngx_tecken_fetch_result(busy, "busy"),
    ngx_tecken_fetch_result(failed, "failed"),

    ngx_tecken_fetch_bad(bad, "malformed", "sym_malformed"),
    ngx_tecken_fetch_bad(other_id, "debug_id", "sym_debug_id_lookup_error"),
    ngx_tecken_fetch_bad(too_large, "too_large", "too_large"),

    { offsetof(ngx_tecken_fetch_metrics_t, text),
      NGX_TECKEN_METRIC_COUNTER,
      ngx_string("tecken_symcache_text_bytes_total"),
      ngx_string("Text of symbol files parsed"),
      ngx_null_string,
      ngx_null_string,
      ngx_null_string },

    { offsetof(ngx_tecken_fetch_metrics_t, inflate),
      NGX_TECKEN_METRIC_HISTOGRAM,
      ngx_string("tecken_symcache_inflate_seconds"),
      ngx_string("CPU time of inflating a symbol file"),
      ngx_null_string,
      ngx_null_string,
      ngx_null_string },

    { offsetof(ngx_tecken_fetch_metrics_t, parse),
      NGX_TECKEN_METRIC_HISTOGRAM,
      ngx_string("tecken_symcache_parse_seconds"),
      ngx_string("CPU time of making a symcache from text"),
      ngx_null_string,
      ngx_string("symbolicate.parse_sym_file.parse"),
      ngx_null_string },

    { offsetof(ngx_tecken_fetch_metrics_t, time),
      NGX_TECKEN_METRIC_HISTOGRAM,
      ngx_string("tecken_symcache_build_seconds"),
      ngx_string("Time from the first request for a module to its symcache"),
      ngx_null_string,
      ngx_null_string,
      ngx_null_string },

    { offsetof(ngx_tecken_fetch_metrics_t, running),
      NGX_TECKEN_METRIC_GAUGE,
      ngx_string("tecken_symcache_builds_running"),
      ngx_string("Builds of symcaches that have their turn"),
      ngx_null_string,
      ngx_null_string,
      ngx_null_string },

    { offsetof(ngx_tecken_fetch_metrics_t, waiting),
      NGX_TECKEN_METRIC_GAUGE,
      ngx_string("tecken_symcache_builds_waiting"),
      ngx_string("Builds of symcaches that wait for their turn"),
      ngx_null_string,
      ngx_null_string,
      ngx_null_string },

    ngx_tecken_null_metric
};


static ngx_tecken_metric_def_t  ngx_tecken_fetch_source_series[] = {

    ngx_tecken_fetch_download(found, "found", "success"),
    ngx_tecken_fetch_download(missing, "missing", "fail"),
    ngx_tecken_fetch_download(failed, "failed", "fail"),

    { offsetof(ngx_tecken_fetch_source_metrics_t, bytes),
      NGX_TECKEN_METRIC_COUNTER,
      ngx_string("tecken_symcache_download_bytes_total"),
      ngx_string("Bytes of symbol files taken from a source"),
      ngx_null_string,
      ngx_null_string,
      ngx_null_string },

    ngx_tecken_null_metric
};


ngx_int_t
ngx_tecken_fetch_add_metrics(ngx_conf_t *cf, ngx_tecken_fetch_main_t *main,
    ngx_tecken_metrics_t *metrics)
{
    ngx_uint_t                           i;
    ngx_tecken_storage_t               **st;
    ngx_tecken_fetch_source_metrics_t   *sources;

    main->metrics.running.value = ngx_tecken_fetch_running;
    main->metrics.running.data = main->turns;

    main->metrics.waiting.value = ngx_tecken_fetch_waiting;
    main->metrics.waiting.data = main->turns;

    if (ngx_tecken_metrics_define(cf, metrics, ngx_tecken_fetch_series,
                                  &main->metrics, NULL)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    sources = ngx_pcalloc(cf->pool, main->storages->nelts
                                * sizeof(ngx_tecken_fetch_source_metrics_t));
    if (sources == NULL) {
        return NGX_ERROR;
    }

    main->metrics.sources = sources;

    st = main->storages->elts;

    for (i = 0; i < main->storages->nelts; i++) {

        if (ngx_tecken_metrics_define(cf, metrics,
                                      ngx_tecken_fetch_source_series,
                                      &sources[i], &st[i]->name)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static uint64_t
ngx_tecken_fetch_running(ngx_tecken_metric_t *m)
{
    ngx_uint_t  running, waiting;

    ngx_tecken_turns_status(m->data, &running, &waiting);

    return running;
}


static uint64_t
ngx_tecken_fetch_waiting(ngx_tecken_metric_t *m)
{
    ngx_uint_t  running, waiting;

    ngx_tecken_turns_status(m->data, &running, &waiting);

    return waiting;
}
