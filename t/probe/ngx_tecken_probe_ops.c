
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * Series and checks of the tests' own:
 *
 *     tecken_probe_series NAME counter|histogram [LABELS [KEY [TAGS]]];
 *     tecken_probe_check NAME ok|fail MSEC;
 *
 * and calls of common/ops over HTTP, which answer with the worker's pid:
 *
 *     tecken_probe_ops N;            the Nth series
 *     GET /?n=N                      counts N, or observes N usec
 *     GET /?n=N&times=T              T times
 *
 * A check of 0 msec is over in start(), which it tells in both ways.  Others
 * end twice, which is once too often.
 */


#include "ngx_tecken_probe.h"


typedef struct {
    ngx_array_t              series;      /* ngx_tecken_metric_t * */
} ngx_tecken_probe_ops_main_conf_t;


typedef struct {
    ngx_tecken_metric_t     *metric;
} ngx_tecken_probe_ops_loc_conf_t;


typedef struct {
    ngx_tecken_check_t       check;
    ngx_event_t              timer;
    ngx_msec_t               msec;
    ngx_int_t                rc;
    ngx_uint_t               runs;
} ngx_tecken_probe_check_t;


static ngx_int_t ngx_tecken_probe_ops_handler(ngx_http_request_t *r);
static char *ngx_tecken_probe_ops(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_tecken_probe_series(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_tecken_probe_check(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_tecken_probe_check_start(ngx_tecken_check_t *check);
static void ngx_tecken_probe_check_timer(ngx_event_t *ev);
static void *ngx_tecken_probe_ops_create_main_conf(ngx_conf_t *cf);
static void *ngx_tecken_probe_ops_create_loc_conf(ngx_conf_t *cf);


static ngx_connection_t  ngx_tecken_probe_dummy = { .fd = (ngx_socket_t) -1 };


static ngx_command_t  ngx_tecken_probe_ops_commands[] = {

    { ngx_string("tecken_probe_series"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_tecken_probe_series,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_probe_check"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE3,
      ngx_tecken_probe_check,
      0,
      0,
      NULL },

    { ngx_string("tecken_probe_ops"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_tecken_probe_ops,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_tecken_probe_ops_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_tecken_probe_ops_create_main_conf, /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_tecken_probe_ops_create_loc_conf,  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_tecken_probe_ops_module = {
    NGX_MODULE_V1,
    &ngx_tecken_probe_ops_module_ctx,      /* module context */
    ngx_tecken_probe_ops_commands,         /* module directives */
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


static ngx_int_t
ngx_tecken_probe_ops_handler(ngx_http_request_t *r)
{
    ngx_int_t                         n, i, times;
    ngx_str_t                         type;
    ngx_tecken_metric_t              *m;
    ngx_http_complex_value_t          cv;
    ngx_tecken_probe_ops_loc_conf_t  *polcf;

    polcf = ngx_http_get_module_loc_conf(r, ngx_tecken_probe_ops_module);
    m = polcf->metric;

    n = ngx_tecken_probe_arg(r, "n", 1);
    times = ngx_tecken_probe_arg(r, "times", 1);

    for (i = 0; i < times; i++) {

        if (m->type == NGX_TECKEN_METRIC_HISTOGRAM) {
            ngx_tecken_metrics_observe(m, (uint64_t) n);

        } else {
            ngx_tecken_metrics_count(m, (ngx_uint_t) n);
        }
    }

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));

    cv.value.data = ngx_pnalloc(r->pool, NGX_INT64_LEN + 1);
    if (cv.value.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cv.value.len = ngx_sprintf(cv.value.data, "%P\n", ngx_pid)
                   - cv.value.data;

    ngx_str_set(&type, "text/plain");

    return ngx_http_send_response(r, NGX_HTTP_OK, &type, &cv);
}


static char *
ngx_tecken_probe_ops(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_probe_ops_loc_conf_t  *polcf = conf;

    ngx_int_t                          n;
    ngx_str_t                         *value;
    ngx_tecken_metric_t              **m;
    ngx_tecken_probe_ops_main_conf_t  *pomcf;

    pomcf = ngx_http_conf_get_module_main_conf(cf,
                                               ngx_tecken_probe_ops_module);
    value = cf->args->elts;

    n = ngx_atoi(value[1].data, value[1].len);

    if (n < 1 || n > (ngx_int_t) pomcf->series.nelts) {
        return "names no series";
    }

    m = pomcf->series.elts;
    polcf->metric = m[n - 1];

    return ngx_tecken_probe_handle(cf, ngx_tecken_probe_ops_handler);
}


static char *
ngx_tecken_probe_series(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_probe_ops_main_conf_t  *pomcf = conf;

    ngx_str_t                *value;
    ngx_tecken_metric_t      *m, **p;
    ngx_tecken_main_conf_t   *tmcf;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    value = cf->args->elts;

    m = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_metric_t));
    if (m == NULL) {
        return NGX_CONF_ERROR;
    }

    p = ngx_array_push(&pomcf->series);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    *p = m;

    m->type = value[2].data[0] == 'h' ? NGX_TECKEN_METRIC_HISTOGRAM
                                      : NGX_TECKEN_METRIC_COUNTER;
    m->name = value[1];
    ngx_str_set(&m->help, "A back\\slash and\na line feed");

    switch (cf->args->nelts) {

    case 6:
        m->tags = value[5];
        /* fall through */

    case 5:
        m->key = value[4];
        /* fall through */

    case 4:
        m->labels = value[3];
    }

    if (ngx_tecken_metrics_add(cf, tmcf->metrics, m) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_tecken_probe_check(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                 *value;
    ngx_tecken_main_conf_t    *tmcf;
    ngx_tecken_probe_check_t  *pc;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    value = cf->args->elts;

    pc = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_probe_check_t));
    if (pc == NULL) {
        return NGX_CONF_ERROR;
    }

    pc->msec = (ngx_msec_t) ngx_atoi(value[3].data, value[3].len);
    pc->rc = value[2].data[0] == 'o' ? NGX_OK : NGX_ERROR;

    pc->check.name = value[1];
    pc->check.start = ngx_tecken_probe_check_start;
    pc->check.data = pc;

    pc->timer.handler = ngx_tecken_probe_check_timer;
    pc->timer.data = &ngx_tecken_probe_dummy;

    if (ngx_tecken_heartbeat_add(tmcf->heartbeat, &pc->check) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_tecken_probe_check_start(ngx_tecken_check_t *check)
{
    ngx_tecken_probe_check_t  *pc = check->data;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "probe: check \"%V\", run %ui", &check->name, ++pc->runs);

    ngx_str_null(&check->error);

    if (pc->rc != NGX_OK) {
        ngx_str_set(&check->error, "the \"bucket\" says: \x01\xc3\xa9");
    }

    if (pc->msec) {

        /* the latency that is told is not by the clock of the last event */

        ngx_time_update();

        pc->timer.log = ngx_cycle->log;
        ngx_add_timer(&pc->timer, pc->msec);
        return NGX_AGAIN;
    }

    if (pc->runs % 2) {
        return pc->rc;
    }

    ngx_tecken_check_done(check, pc->rc);

    return NGX_AGAIN;
}


static void
ngx_tecken_probe_check_timer(ngx_event_t *ev)
{
    ngx_tecken_probe_check_t  *pc;

    pc = (ngx_tecken_probe_check_t *)
             ((u_char *) ev - offsetof(ngx_tecken_probe_check_t, timer));

    ngx_tecken_check_done(&pc->check, pc->rc);
    ngx_tecken_check_done(&pc->check, NGX_ERROR);
}


static void *
ngx_tecken_probe_ops_create_main_conf(ngx_conf_t *cf)
{
    ngx_tecken_probe_ops_main_conf_t  *pomcf;

    pomcf = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_probe_ops_main_conf_t));
    if (pomcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&pomcf->series, cf->pool, 4,
                       sizeof(ngx_tecken_metric_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return pomcf;
}


static void *
ngx_tecken_probe_ops_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_tecken_probe_ops_loc_conf_t));
}
