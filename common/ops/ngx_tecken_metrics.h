
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_METRICS_H_INCLUDED_
#define _NGX_TECKEN_METRICS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Counters, gauges and histograms in shared memory, one row of cells per
 * worker so that workers never write to the same cache line; and the same
 * events as dogstatsd lines when tecken_statsd is configured.
 */


#define NGX_TECKEN_METRIC_COUNTER    0
#define NGX_TECKEN_METRIC_GAUGE      1
#define NGX_TECKEN_METRIC_HISTOGRAM  2    /* of seconds, observed in usec */
#define NGX_TECKEN_METRIC_SIZE       3    /* a histogram of bytes */


typedef struct ngx_tecken_metrics_s     ngx_tecken_metrics_t;
typedef struct ngx_tecken_metrics_sh_s  ngx_tecken_metrics_sh_t;

typedef struct ngx_tecken_metric_s      ngx_tecken_metric_t;


struct ngx_tecken_metric_s {
    ngx_uint_t               type;
    ngx_str_t                name;     /* "tecken_download_requests_total" */
    ngx_str_t                labels;   /* "result=\"found\"", or empty */
    ngx_str_t                help;     /* one line, no full stop */

    ngx_str_t                key;      /* "download_symbol"; empty: not sent
                                          to statsd */
    ngx_str_t                tags;     /* "try:True,bucket:x", or empty */
    ngx_uint_t               samples;  /* a counter of things that come many
                                          at once: statsd gets each count() as
                                          a value of a histogram */

    /* gauges: the value now, computed when asked for; NULL: the sum of what
     * ngx_tecken_metrics_level() has added */
    uint64_t               (*value)(ngx_tecken_metric_t *m);
    void                    *data;

    /* private */
    ngx_tecken_metrics_t    *metrics;
    ngx_uint_t               cell;
    ngx_str_t                head;     /* "tecken.download_symbol:" */
    ngx_str_t                tail;     /* "|c|#try:True,bucket:x" */
    ngx_tecken_metric_t     *next;     /* of the same name */
};


/* a row of a table of series, which ngx_tecken_null_metric ends */

typedef struct {
    size_t                   offset;   /* of the ngx_tecken_metric_t */
    ngx_uint_t               type;
    ngx_str_t                name;
    ngx_str_t                help;
    ngx_str_t                labels;
    ngx_str_t                key;
    ngx_str_t                tags;
} ngx_tecken_metric_def_t;


#define ngx_tecken_null_metric                                                \
    { 0, 0, ngx_null_string, ngx_null_string, ngx_null_string,                \
      ngx_null_string, ngx_null_string }


/* the registry of a configuration; its memory is cf->pool's */
ngx_tecken_metrics_t *ngx_tecken_metrics_create(ngx_conf_t *cf);

/*
 * Registers a series while the configuration is read or in a
 * postconfiguration handler.  m lives as long as the configuration and keeps
 * its strings; name and labels identify it, also across reloads.  Label
 * values must hold no quote, backslash or line feed; name and labels make at
 * most 238 bytes.  In tags all but [A-Za-z0-9_./-] becomes "_" and a value is
 * cut at 100 bytes; a comma begins a tag only if a colon follows before the
 * next.  NGX_ERROR is logged.
 */
ngx_int_t ngx_tecken_metrics_add(ngx_conf_t *cf,
    ngx_tecken_metrics_t *metrics, ngx_tecken_metric_t *m);

/*
 * Registers the series of a table, which are in base.  source, if not NULL,
 * is the value of a label before those of the table.  What is not in the
 * table is the caller's: samples, value and data.
 */
ngx_int_t ngx_tecken_metrics_define(ngx_conf_t *cf,
    ngx_tecken_metrics_t *metrics, ngx_tecken_metric_def_t *def, void *base,
    ngx_str_t *source);

/* Called from the zone's init, after all ngx_tecken_metrics_add(): *sh is
 * NULL in a fresh zone; series of the cycle before keep their values. */
ngx_int_t ngx_tecken_metrics_init_zone(ngx_tecken_metrics_t *metrics,
    ngx_slab_pool_t *shpool, ngx_tecken_metrics_sh_t **sh, ngx_log_t *log);

/* in a worker, before the first request: takes a row, opens the statsd
 * socket; exit flushes it.  What is counted after that reaches the zone, not
 * statsd. */
ngx_int_t ngx_tecken_metrics_init_worker(ngx_tecken_metrics_t *metrics,
    ngx_cycle_t *cycle);
void ngx_tecken_metrics_exit_worker(ngx_tecken_metrics_t *metrics,
    ngx_cycle_t *cycle);

/*
 * m may be NULL in both, or never added: nothing happens.  count() takes a
 * counter, observe() a histogram, in microseconds or bytes, nothing checks it:
 * tens of nanoseconds.
 */
void ngx_tecken_metrics_count(ngx_tecken_metric_t *m, ngx_uint_t n);
void ngx_tecken_metrics_observe(ngx_tecken_metric_t *m, uint64_t value);

/*
 * Adds n, which may be negative, to a gauge that has no value().  A worker
 * that is killed takes what it has added with it, once another is started in
 * its place.
 */
void ngx_tecken_metrics_level(ngx_tecken_metric_t *m, ngx_int_t n);

/* a clock for ngx_tecken_metrics_observe(): monotonic microseconds */
uint64_t ngx_tecken_usec(void);

/* all series as Prometheus text 0.0.4, a chain of buffers from pool; NULL:
 * no memory */
ngx_chain_t *ngx_tecken_metrics_prometheus(ngx_tecken_metrics_t *metrics,
    ngx_pool_t *pool);

/* the same as the answer to r, a content handler's */
ngx_int_t ngx_tecken_metrics_handler(ngx_http_request_t *r,
    ngx_tecken_metrics_t *metrics);


/* tecken_statsd ADDRESS [namespace=NAME] [tags=dogstatsd|none] */
char *ngx_tecken_statsd(ngx_conf_t *cf, ngx_tecken_metrics_t *metrics);


#endif /* _NGX_TECKEN_METRICS_H_INCLUDED_ */
