
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_METRICS_ZONE_H_INCLUDED_
#define _NGX_TECKEN_METRICS_ZONE_H_INCLUDED_


#include <ngx_tecken_metrics.h>


/*
 * Private to common/ops.  The zone holds a directory, which only the master
 * writes and only grows, and rows of cells.  A cell belongs to its series
 * for the life of the zone: workers of older configurations still write.
 */


#define NGX_TECKEN_METRICS_ROWS     16
#define NGX_TECKEN_METRICS_CELLS    4096
#define NGX_TECKEN_METRICS_SERIES   512
#define NGX_TECKEN_METRICS_ID_LEN   238
#define NGX_TECKEN_METRICS_LEVELS   16

#define NGX_TECKEN_METRICS_LINE     512     /* of statsd, without the value */


typedef struct ngx_tecken_statsd_s  ngx_tecken_statsd_t;


typedef struct {
    uint64_t                   value;        /* usec or bytes */
    ngx_str_t                  le;
} ngx_tecken_bucket_t;


typedef struct {
    uint32_t                   cell;
    uint16_t                   type;
    uint16_t                   len;
    u_char                     id[NGX_TECKEN_METRICS_ID_LEN + 2];
} ngx_tecken_series_t;


struct ngx_tecken_metrics_sh_s {
    time_t                     created;

    ngx_uint_t                 nseries;
    ngx_uint_t                 ncells;
    ngx_uint_t                 nlevels;

    ngx_atomic_t              *rows;

    /* gauges: a cell for each slot of a process, not shared by generations */
    ngx_atomic_t              *levels[NGX_TECKEN_METRICS_LEVELS];

    ngx_tecken_series_t        series[NGX_TECKEN_METRICS_SERIES];
};


/* the series of one name, in order of registration */

typedef struct {
    ngx_tecken_metric_t       *first;
} ngx_tecken_family_t;


struct ngx_tecken_metrics_s {
    ngx_tecken_metrics_sh_t   *sh;
    ngx_atomic_t              *row;          /* this worker's */
    ngx_tecken_statsd_t       *statsd;       /* NULL: not configured */

    ngx_array_t                families;     /* ngx_tecken_family_t */
    ngx_pool_t                *pool;

    ngx_tecken_metric_t        created;
};


/* of a histogram: one cell for each bucket, the last is +Inf, then the sum */

#define NGX_TECKEN_BUCKETS  20

extern const ngx_tecken_bucket_t  ngx_tecken_buckets[NGX_TECKEN_BUCKETS];
extern const ngx_tecken_bucket_t  ngx_tecken_size_buckets[NGX_TECKEN_BUCKETS];

#define ngx_tecken_buckets_of(m)                                              \
    ((m)->type == NGX_TECKEN_METRIC_SIZE ? ngx_tecken_size_buckets            \
                                         : ngx_tecken_buckets)


/* the sum of a gauge without value() */
uint64_t ngx_tecken_metrics_sum(ngx_tecken_metric_t *m);

/* key, sanitised tags and type of m as the two ends of its lines */
ngx_int_t ngx_tecken_statsd_prepare(ngx_tecken_statsd_t *st, ngx_pool_t *pool,
    ngx_tecken_metric_t *m, ngx_log_t *log);

void ngx_tecken_statsd_init_worker(ngx_tecken_statsd_t *st,
    ngx_cycle_t *cycle);
void ngx_tecken_statsd_exit_worker(ngx_tecken_statsd_t *st);

void ngx_tecken_statsd_count(ngx_tecken_statsd_t *st, ngx_tecken_metric_t *m,
    ngx_uint_t n);
void ngx_tecken_statsd_observe(ngx_tecken_statsd_t *st,
    ngx_tecken_metric_t *m, uint64_t value);


#endif /* _NGX_TECKEN_METRICS_ZONE_H_INCLUDED_ */
