
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbolicate.h>


/* keys of statsd: those of Eliot, by its statsd_metrics.yaml */

#define ngx_tecken_symbolicate_result(i, n, version, result)                  \
    { offsetof(ngx_tecken_symbolicate_main_conf_t, versions[i].results[n]),   \
      NGX_TECKEN_METRIC_COUNTER,                                              \
      ngx_string("tecken_symbolicate_requests_total"),                        \
      ngx_string("Symbolication requests by version and result"),             \
      ngx_string("version=\"" version "\",result=\"" result "\""),            \
      ngx_string("pageview"),                                                 \
      ngx_string("path:/symbolicate/" version ",method:post") }


#define ngx_tecken_symbolicate_error(n, reason)                               \
    { offsetof(ngx_tecken_symbolicate_main_conf_t, errors[n]),                \
      NGX_TECKEN_METRIC_COUNTER,                                              \
      ngx_string("tecken_symbolicate_request_errors_total"),                  \
      ngx_string("Invalid requests by what is wrong"),                        \
      ngx_string("reason=\"" reason "\""),                                    \
      ngx_string("symbolicate.request_error"),                                \
      ngx_string("reason:" reason) }


#define ngx_tecken_symbolicate_reference(m, result)                           \
    { offsetof(ngx_tecken_symbolicate_main_conf_t, m),                        \
      NGX_TECKEN_METRIC_COUNTER,                                              \
      ngx_string("tecken_symbolicate_modules_total"),                         \
      ngx_string("Modules that frames refer to, by result"),                  \
      ngx_string("result=\"" result "\""),                                    \
      ngx_null_string,                                                        \
      ngx_null_string }


static ngx_tecken_metric_def_t  ngx_tecken_symbolicate_series[] = {

    ngx_tecken_symbolicate_result(0, NGX_TECKEN_SYMBOLICATE_ANSWERED, "v4",
                                  "answered"),
    ngx_tecken_symbolicate_result(0, NGX_TECKEN_SYMBOLICATE_INVALID, "v4",
                                  "invalid"),
    ngx_tecken_symbolicate_result(0, NGX_TECKEN_SYMBOLICATE_SOURCE_ERROR, "v4",
                                  "source_error"),
    ngx_tecken_symbolicate_result(0, NGX_TECKEN_SYMBOLICATE_TIMEOUT, "v4",
                                  "timeout"),
    ngx_tecken_symbolicate_result(0, NGX_TECKEN_SYMBOLICATE_FAILED, "v4",
                                  "failed"),

    { offsetof(ngx_tecken_symbolicate_main_conf_t, versions[0].time),
      NGX_TECKEN_METRIC_HISTOGRAM,
      ngx_string("tecken_symbolicate_request_seconds"),
      ngx_string("Time from a request's header to its answer"),
      ngx_string("version=\"v4\""),
      ngx_string("symbolicate.api"),
      ngx_string("version:v4") },

    { offsetof(ngx_tecken_symbolicate_main_conf_t, versions[0].jobs),
      NGX_TECKEN_METRIC_COUNTER,
      ngx_string("tecken_symbolicate_jobs_total"),
      ngx_string("Jobs in valid requests"),
      ngx_string("version=\"v4\""),
      ngx_null_string,
      ngx_string("version:v4") },

    { offsetof(ngx_tecken_symbolicate_main_conf_t, versions[0].stacks),
      NGX_TECKEN_METRIC_COUNTER,
      ngx_string("tecken_symbolicate_stacks_total"),
      ngx_string("Stacks in valid requests"),
      ngx_string("version=\"v4\""),
      ngx_string("symbolicate.stacks_count"),
      ngx_string("version:v4") },

    ngx_tecken_symbolicate_result(1, NGX_TECKEN_SYMBOLICATE_ANSWERED, "v5",
                                  "answered"),
    ngx_tecken_symbolicate_result(1, NGX_TECKEN_SYMBOLICATE_INVALID, "v5",
                                  "invalid"),
    ngx_tecken_symbolicate_result(1, NGX_TECKEN_SYMBOLICATE_SOURCE_ERROR, "v5",
                                  "source_error"),
    ngx_tecken_symbolicate_result(1, NGX_TECKEN_SYMBOLICATE_TIMEOUT, "v5",
                                  "timeout"),
    ngx_tecken_symbolicate_result(1, NGX_TECKEN_SYMBOLICATE_FAILED, "v5",
                                  "failed"),

    { offsetof(ngx_tecken_symbolicate_main_conf_t, versions[1].time),
      NGX_TECKEN_METRIC_HISTOGRAM,
      ngx_string("tecken_symbolicate_request_seconds"),
      ngx_string("Time from a request's header to its answer"),
      ngx_string("version=\"v5\""),
      ngx_string("symbolicate.api"),
      ngx_string("version:v5") },

    { offsetof(ngx_tecken_symbolicate_main_conf_t, versions[1].jobs),
      NGX_TECKEN_METRIC_COUNTER,
      ngx_string("tecken_symbolicate_jobs_total"),
      ngx_string("Jobs in valid requests"),
      ngx_string("version=\"v5\""),
      ngx_string("symbolicate.jobs_count"),
      ngx_string("version:v5") },

    { offsetof(ngx_tecken_symbolicate_main_conf_t, versions[1].stacks),
      NGX_TECKEN_METRIC_COUNTER,
      ngx_string("tecken_symbolicate_stacks_total"),
      ngx_string("Stacks in valid requests"),
      ngx_string("version=\"v5\""),
      ngx_string("symbolicate.stacks_count"),
      ngx_string("version:v5") },

    ngx_tecken_symbolicate_error(TK_SYMREQ_BAD_JSON, "bad_json"),
    ngx_tecken_symbolicate_error(TK_SYMREQ_BAD_JOBS, "invalid_jobs"),
    ngx_tecken_symbolicate_error(TK_SYMREQ_TOO_MANY_JOBS, "too_many_jobs"),
    ngx_tecken_symbolicate_error(TK_SYMREQ_BAD_MODULES, "invalid_modules"),
    ngx_tecken_symbolicate_error(TK_SYMREQ_BAD_STACKS, "invalid_stacks"),

    { offsetof(ngx_tecken_symbolicate_main_conf_t, frames),
      NGX_TECKEN_METRIC_COUNTER,
      ngx_string("tecken_symbolicate_frames_total"),
      ngx_string("Frames in valid requests"),
      ngx_null_string,
      ngx_string("symbolicate.frames_count"),
      ngx_null_string },

    ngx_tecken_symbolicate_reference(found, "found"),
    ngx_tecken_symbolicate_reference(missing, "missing"),
    ngx_tecken_symbolicate_reference(failed, "failed"),

    { offsetof(ngx_tecken_symbolicate_main_conf_t, waits),
      NGX_TECKEN_METRIC_COUNTER,
      ngx_string("tecken_symbolicate_waits_total"),
      ngx_string("Requests that had to wait for a module"),
      ngx_null_string,
      ngx_null_string,
      ngx_null_string },

    { offsetof(ngx_tecken_symbolicate_main_conf_t, waiting),
      NGX_TECKEN_METRIC_GAUGE,
      ngx_string("tecken_symbolicate_waiting"),
      ngx_string("Requests that wait for a module"),
      ngx_null_string,
      ngx_null_string,
      ngx_null_string },

    ngx_tecken_null_metric
};


ngx_int_t
ngx_tecken_symbolicate_add_metrics(ngx_conf_t *cf,
    ngx_tecken_symbolicate_main_conf_t *smcf)
{
    ngx_uint_t               i;
    ngx_tecken_main_conf_t  *tmcf;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);

    for (i = 0; i < 2; i++) {
        smcf->versions[i].jobs.samples = 1;
        smcf->versions[i].stacks.samples = 1;
    }

    smcf->frames.samples = 1;

    return ngx_tecken_metrics_define(cf, tmcf->metrics,
                                     ngx_tecken_symbolicate_series, smcf,
                                     NULL);
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
