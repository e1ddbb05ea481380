
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_fetch.h>


/* keys of statsd: Eliot's statsd_metrics.yaml */


typedef struct {
    size_t         offset;           /* of an ngx_tecken_metric_t */
    ngx_uint_t     type;
    const char    *name;
    const char    *help;
    const char    *label;            /* or "" */
    const char    *key;
    const char    *tags;
} ngx_tecken_fetch_series_t;


static ngx_int_t ngx_tecken_fetch_add_series(ngx_conf_t *cf,
    ngx_tecken_metrics_t *metrics, ngx_tecken_fetch_series_t *s, void *base,
    ngx_str_t *source);
static ngx_int_t ngx_tecken_fetch_labels(ngx_conf_t *cf,
    ngx_tecken_metric_t *m, ngx_str_t *source, const char *label);
static uint64_t ngx_tecken_fetch_running(ngx_tecken_metric_t *m);
static uint64_t ngx_tecken_fetch_waiting(ngx_tecken_metric_t *m);


#define ngx_tecken_fetch_offset(m)  offsetof(ngx_tecken_fetch_metrics_t, m)
#define ngx_tecken_fetch_source_offset(m)                                     \
    offsetof(ngx_tecken_fetch_source_metrics_t, m)


static ngx_tecken_fetch_series_t  ngx_tecken_fetch_series[] = {

    { ngx_tecken_fetch_offset(built), NGX_TECKEN_METRIC_COUNTER,
      "tecken_symcache_fetches_total", "Modules fetched by result",
      "result=\"built\"", "", "" },

    { ngx_tecken_fetch_offset(missing), NGX_TECKEN_METRIC_COUNTER,
      "tecken_symcache_fetches_total", "Modules fetched by result",
      "result=\"missing\"", "", "" },

    { ngx_tecken_fetch_offset(source_failed), NGX_TECKEN_METRIC_COUNTER,
      "tecken_symcache_fetches_total", "Modules fetched by result",
      "result=\"source_failed\"", "", "" },

    { ngx_tecken_fetch_offset(busy), NGX_TECKEN_METRIC_COUNTER,
      "tecken_symcache_fetches_total", "Modules fetched by result",
      "result=\"busy\"", "", "" },

    { ngx_tecken_fetch_offset(failed), NGX_TECKEN_METRIC_COUNTER,
      "tecken_symcache_fetches_total", "Modules fetched by result",
      "result=\"failed\"", "", "" },

    { ngx_tecken_fetch_offset(bad), NGX_TECKEN_METRIC_COUNTER,
      "tecken_symcache_bad_files_total", "Symbol files not used by reason",
      "reason=\"malformed\"", "symbolicate.parse_sym_file.error",
      "reason:sym_malformed" },

    { ngx_tecken_fetch_offset(other_id), NGX_TECKEN_METRIC_COUNTER,
      "tecken_symcache_bad_files_total", "Symbol files not used by reason",
      "reason=\"debug_id\"", "symbolicate.parse_sym_file.error",
      "reason:sym_debug_id_lookup_error" },

    { ngx_tecken_fetch_offset(too_large), NGX_TECKEN_METRIC_COUNTER,
      "tecken_symcache_bad_files_total", "Symbol files not used by reason",
      "reason=\"too_large\"", "symbolicate.parse_sym_file.error",
      "reason:too_large" },

    { ngx_tecken_fetch_offset(text), NGX_TECKEN_METRIC_COUNTER,
      "tecken_symcache_text_bytes_total", "Text of symbol files parsed",
      "", "", "" },

    { ngx_tecken_fetch_offset(inflate), NGX_TECKEN_METRIC_HISTOGRAM,
      "tecken_symcache_inflate_seconds",
      "CPU time of inflating a symbol file", "", "", "" },

    { ngx_tecken_fetch_offset(parse), NGX_TECKEN_METRIC_HISTOGRAM,
      "tecken_symcache_parse_seconds",
      "CPU time of making a symcache from text", "",
      "symbolicate.parse_sym_file.parse", "" },

    { ngx_tecken_fetch_offset(time), NGX_TECKEN_METRIC_HISTOGRAM,
      "tecken_symcache_build_seconds",
      "Time from the first request for a module to its symcache", "", "",
      "" },

    { 0, 0, NULL, NULL, NULL, NULL, NULL }
};


static ngx_tecken_fetch_series_t  ngx_tecken_fetch_source_series[] = {

    { ngx_tecken_fetch_source_offset(found), NGX_TECKEN_METRIC_HISTOGRAM,
      "tecken_symcache_download_seconds",
      "Time of a download from a source by result",
      "result=\"found\"",
      "downloader.download", "response:success" },

    { ngx_tecken_fetch_source_offset(missing), NGX_TECKEN_METRIC_HISTOGRAM,
      "tecken_symcache_download_seconds",
      "Time of a download from a source by result",
      "result=\"missing\"",
      "downloader.download", "response:fail" },

    { ngx_tecken_fetch_source_offset(failed), NGX_TECKEN_METRIC_HISTOGRAM,
      "tecken_symcache_download_seconds",
      "Time of a download from a source by result",
      "result=\"failed\"",
      "downloader.download", "response:fail" },

    { ngx_tecken_fetch_source_offset(bytes), NGX_TECKEN_METRIC_COUNTER,
      "tecken_symcache_download_bytes_total",
      "Bytes of symbol files taken from a source", "", "", "" },

    { 0, 0, NULL, NULL, NULL, NULL, NULL }
};


ngx_int_t
ngx_tecken_fetch_add_metrics(ngx_conf_t *cf, ngx_tecken_fetch_main_t *main,
    ngx_tecken_metrics_t *metrics)
{
    ngx_uint_t                           i;
    ngx_tecken_metric_t                 *m;
    ngx_tecken_storage_t               **st;
    ngx_tecken_fetch_series_t           *s;
    ngx_tecken_fetch_source_metrics_t   *sources;

    for (s = ngx_tecken_fetch_series; s->name; s++) {
        if (ngx_tecken_fetch_add_series(cf, metrics, s, &main->metrics, NULL)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    m = &main->metrics.running;

    m->type = NGX_TECKEN_METRIC_GAUGE;
    m->value = ngx_tecken_fetch_running;
    m->data = main->turns;
    ngx_str_set(&m->name, "tecken_symcache_builds_running");
    ngx_str_set(&m->help, "Builds of symcaches that have their turn");

    if (ngx_tecken_metrics_add(cf, metrics, m) != NGX_OK) {
        return NGX_ERROR;
    }

    m = &main->metrics.waiting;

    m->type = NGX_TECKEN_METRIC_GAUGE;
    m->value = ngx_tecken_fetch_waiting;
    m->data = main->turns;
    ngx_str_set(&m->name, "tecken_symcache_builds_waiting");
    ngx_str_set(&m->help, "Builds of symcaches that wait for their turn");

    if (ngx_tecken_metrics_add(cf, metrics, m) != NGX_OK) {
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

        for (s = ngx_tecken_fetch_source_series; s->name; s++) {
            if (ngx_tecken_fetch_add_series(cf, metrics, s, &sources[i],
                                            &st[i]->name)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_fetch_add_series(ngx_conf_t *cf, ngx_tecken_metrics_t *metrics,
    ngx_tecken_fetch_series_t *s, void *base, ngx_str_t *source)
{
    ngx_tecken_metric_t  *m;

    m = (ngx_tecken_metric_t *) ((u_char *) base + s->offset);

    m->type = s->type;
    m->name.data = (u_char *) s->name;
    m->name.len = ngx_strlen(s->name);
    m->help.data = (u_char *) s->help;
    m->help.len = ngx_strlen(s->help);
    m->key.data = (u_char *) s->key;
    m->key.len = ngx_strlen(s->key);
    m->tags.data = (u_char *) s->tags;
    m->tags.len = ngx_strlen(s->tags);

    if (ngx_tecken_fetch_labels(cf, m, source, s->label) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_tecken_metrics_add(cf, metrics, m);
}


static ngx_int_t
ngx_tecken_fetch_labels(ngx_conf_t *cf, ngx_tecken_metric_t *m,
    ngx_str_t *source, const char *label)
{
    u_char  *p;

    p = ngx_pnalloc(cf->pool, sizeof("source=\"\",") + ngx_strlen(label)
                              + (source ? source->len : 0));
    if (p == NULL) {
        return NGX_ERROR;
    }

    m->labels.data = p;

    if (source) {
        p = ngx_sprintf(p, "source=\"%V\"%s", source, label[0] ? "," : "");
    }

    p = ngx_sprintf(p, "%s", label);

    m->labels.len = p - m->labels.data;

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
