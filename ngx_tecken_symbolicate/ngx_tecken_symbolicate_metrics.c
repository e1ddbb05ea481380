
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbolicate.h>


typedef struct {
    ngx_tecken_metric_t   *m;
    ngx_uint_t             type;
    ngx_uint_t             samples;
    const char            *name;
    const char            *help;
    const char            *labels;
    const char            *key;
    const char            *tags;
} ngx_tecken_symbolicate_series_t;


static ngx_int_t ngx_tecken_symbolicate_add_version(ngx_conf_t *cf,
    ngx_tecken_symbolicate_version_metrics_t *v, const char *const *t);
static ngx_int_t ngx_tecken_symbolicate_add(ngx_conf_t *cf,
    const ngx_tecken_symbolicate_series_t *series, ngx_uint_t n);
static void ngx_tecken_symbolicate_text(ngx_str_t *dst, const char *text);


/* labels and tags of a version */

#define NGX_TECKEN_SYMBOLICATE_L_VERSION  0
#define NGX_TECKEN_SYMBOLICATE_T_VERSION  1
#define NGX_TECKEN_SYMBOLICATE_T_VIEW     2
#define NGX_TECKEN_SYMBOLICATE_K_JOBS     3
#define NGX_TECKEN_SYMBOLICATE_L_RESULT   4

static const char *const  ngx_tecken_symbolicate_texts[2][9] = {

    { "version=\"v4\"", "version:v4", "path:/symbolicate/v4,method:post", "",
      "version=\"v4\",result=\"answered\"",
      "version=\"v4\",result=\"invalid\"",
      "version=\"v4\",result=\"source_error\"",
      "version=\"v4\",result=\"timeout\"",
      "version=\"v4\",result=\"failed\"" },

    { "version=\"v5\"", "version:v5", "path:/symbolicate/v5,method:post",
      "symbolicate.jobs_count",
      "version=\"v5\",result=\"answered\"",
      "version=\"v5\",result=\"invalid\"",
      "version=\"v5\",result=\"source_error\"",
      "version=\"v5\",result=\"timeout\"",
      "version=\"v5\",result=\"failed\"" }
};


/* keys of statsd: those of Eliot, by its statsd_metrics.yaml */

ngx_int_t
ngx_tecken_symbolicate_add_metrics(ngx_conf_t *cf,
    ngx_tecken_symbolicate_main_conf_t *smcf)
{
    ngx_uint_t  i;

    ngx_tecken_symbolicate_series_t  series[] = {

        { &smcf->errors[TK_SYMREQ_BAD_JSON], NGX_TECKEN_METRIC_COUNTER, 0,
          "tecken_symbolicate_request_errors_total",
          "Invalid requests by what is wrong", "reason=\"bad_json\"",
          "symbolicate.request_error", "reason:bad_json" },

        { &smcf->errors[TK_SYMREQ_BAD_JOBS], NGX_TECKEN_METRIC_COUNTER, 0,
          "tecken_symbolicate_request_errors_total",
          "Invalid requests by what is wrong", "reason=\"invalid_jobs\"",
          "symbolicate.request_error", "reason:invalid_jobs" },

        { &smcf->errors[TK_SYMREQ_TOO_MANY_JOBS], NGX_TECKEN_METRIC_COUNTER,
          0, "tecken_symbolicate_request_errors_total",
          "Invalid requests by what is wrong", "reason=\"too_many_jobs\"",
          "symbolicate.request_error", "reason:too_many_jobs" },

        { &smcf->errors[TK_SYMREQ_BAD_MODULES], NGX_TECKEN_METRIC_COUNTER, 0,
          "tecken_symbolicate_request_errors_total",
          "Invalid requests by what is wrong", "reason=\"invalid_modules\"",
          "symbolicate.request_error", "reason:invalid_modules" },

        { &smcf->errors[TK_SYMREQ_BAD_STACKS], NGX_TECKEN_METRIC_COUNTER, 0,
          "tecken_symbolicate_request_errors_total",
          "Invalid requests by what is wrong", "reason=\"invalid_stacks\"",
          "symbolicate.request_error", "reason:invalid_stacks" },

        { &smcf->frames, NGX_TECKEN_METRIC_COUNTER, 1,
          "tecken_symbolicate_frames_total", "Frames in valid requests", "",
          "symbolicate.frames_count", "" },

        { &smcf->found, NGX_TECKEN_METRIC_COUNTER, 0,
          "tecken_symbolicate_modules_total",
          "Modules that frames refer to, by result", "result=\"found\"",
          "", "" },

        { &smcf->missing, NGX_TECKEN_METRIC_COUNTER, 0,
          "tecken_symbolicate_modules_total",
          "Modules that frames refer to, by result", "result=\"missing\"",
          "", "" },

        { &smcf->failed, NGX_TECKEN_METRIC_COUNTER, 0,
          "tecken_symbolicate_modules_total",
          "Modules that frames refer to, by result", "result=\"failed\"",
          "", "" },

        { &smcf->waits, NGX_TECKEN_METRIC_COUNTER, 0,
          "tecken_symbolicate_waits_total",
          "Requests that had to wait for a module", "", "", "" },

        { &smcf->waiting, NGX_TECKEN_METRIC_GAUGE, 0,
          "tecken_symbolicate_waiting",
          "Requests that wait for a module", "", "", "" }
    };

    for (i = 0; i < 2; i++) {
        if (ngx_tecken_symbolicate_add_version(cf, &smcf->versions[i],
                                           ngx_tecken_symbolicate_texts[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_tecken_symbolicate_add(cf, series,
                                      sizeof(series) / sizeof(series[0]));
}


static ngx_int_t
ngx_tecken_symbolicate_add_version(ngx_conf_t *cf,
    ngx_tecken_symbolicate_version_metrics_t *v, const char *const *t)
{
    ngx_uint_t                       i;
    ngx_tecken_symbolicate_series_t  result;

    ngx_tecken_symbolicate_series_t  series[] = {

        { &v->time, NGX_TECKEN_METRIC_HISTOGRAM, 0,
          "tecken_symbolicate_request_seconds",
          "Time from a request's header to its answer",
          t[NGX_TECKEN_SYMBOLICATE_L_VERSION],
          "symbolicate.api", t[NGX_TECKEN_SYMBOLICATE_T_VERSION] },

        { &v->jobs, NGX_TECKEN_METRIC_COUNTER, 1,
          "tecken_symbolicate_jobs_total", "Jobs in valid requests",
          t[NGX_TECKEN_SYMBOLICATE_L_VERSION],
          t[NGX_TECKEN_SYMBOLICATE_K_JOBS],
          t[NGX_TECKEN_SYMBOLICATE_T_VERSION] },

        { &v->stacks, NGX_TECKEN_METRIC_COUNTER, 1,
          "tecken_symbolicate_stacks_total", "Stacks in valid requests",
          t[NGX_TECKEN_SYMBOLICATE_L_VERSION],
          "symbolicate.stacks_count", t[NGX_TECKEN_SYMBOLICATE_T_VERSION] }
    };

    for (i = 0; i < NGX_TECKEN_SYMBOLICATE_RESULTS; i++) {

        result.m = &v->results[i];
        result.type = NGX_TECKEN_METRIC_COUNTER;
        result.samples = 0;
        result.name = "tecken_symbolicate_requests_total";
        result.help = "Symbolication requests by version and result";
        result.labels = t[NGX_TECKEN_SYMBOLICATE_L_RESULT + i];
        result.key = "pageview";
        result.tags = t[NGX_TECKEN_SYMBOLICATE_T_VIEW];

        if (ngx_tecken_symbolicate_add(cf, &result, 1) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_tecken_symbolicate_add(cf, series,
                                      sizeof(series) / sizeof(series[0]));
}


static ngx_int_t
ngx_tecken_symbolicate_add(ngx_conf_t *cf,
    const ngx_tecken_symbolicate_series_t *series, ngx_uint_t n)
{
    ngx_tecken_metric_t     *m;
    ngx_tecken_main_conf_t  *tmcf;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);

    for ( /* void */ ; n; n--, series++) {

        m = series->m;

        m->type = series->type;
        m->samples = series->samples;

        ngx_tecken_symbolicate_text(&m->name, series->name);
        ngx_tecken_symbolicate_text(&m->help, series->help);
        ngx_tecken_symbolicate_text(&m->labels, series->labels);
        ngx_tecken_symbolicate_text(&m->key, series->key);
        ngx_tecken_symbolicate_text(&m->tags, series->tags);

        if (ngx_tecken_metrics_add(cf, tmcf->metrics, m) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_tecken_symbolicate_text(ngx_str_t *dst, const char *text)
{
    dst->data = (u_char *) text;
    dst->len = ngx_strlen(text);
}


void
ngx_tecken_symbolicate_count_request(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_tecken_symbolicate_main_conf_t        *smcf;
    ngx_tecken_symbolicate_version_metrics_t  *v;

    smcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_tecken_symbolicate_module);
    v = &smcf->versions[ctx->version - 4];

    ctx->njobs = ctx->req->njobs;
    ctx->nstacks = ctx->req->nstacks;
    ctx->nframes = ctx->req->nframes;
    ctx->counted = 1;

    ngx_tecken_metrics_count(&v->jobs, ctx->njobs);
    ngx_tecken_metrics_count(&v->stacks, ctx->nstacks);
    ngx_tecken_metrics_count(&smcf->frames, ctx->nframes);
}


void
ngx_tecken_symbolicate_count(ngx_tecken_symbolicate_ctx_t *ctx,
    ngx_tecken_symbolicate_result_e result)
{
    ngx_tecken_symbolicate_main_conf_t        *smcf;
    ngx_tecken_symbolicate_version_metrics_t  *v;

    ctx->usec = ngx_tecken_usec() - ctx->started;
    ctx->finished = 1;

    smcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_tecken_symbolicate_module);
    v = &smcf->versions[ctx->version - 4];

    ngx_tecken_metrics_observe(&v->time, ctx->usec);
    ngx_tecken_metrics_count(&v->results[result], 1);
}
