
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_metrics.h>
#include <ngx_tecken_metrics_zone.h>


static ngx_int_t ngx_tecken_metrics_source(ngx_conf_t *cf,
    ngx_str_t *labels, ngx_str_t *source);
static ngx_int_t ngx_tecken_metrics_check(ngx_conf_t *cf,
    ngx_tecken_metric_t *m);
static ngx_uint_t ngx_tecken_metrics_name(u_char **pos, u_char *end,
    ngx_uint_t colon);
static ngx_uint_t ngx_tecken_metrics_labels(ngx_str_t *labels);
static ngx_tecken_family_t *ngx_tecken_metrics_family(
    ngx_tecken_metrics_t *metrics, ngx_str_t *name);
static ngx_int_t ngx_tecken_metrics_init_sh(ngx_slab_pool_t *shpool,
    ngx_tecken_metrics_sh_t **shp, ngx_log_t *log);
static ngx_int_t ngx_tecken_metrics_series(ngx_tecken_metrics_sh_t *sh,
    ngx_slab_pool_t *shpool, ngx_tecken_metric_t *m, ngx_log_t *log);
static ngx_int_t ngx_tecken_metrics_cells(ngx_tecken_metrics_sh_t *sh,
    ngx_slab_pool_t *shpool, ngx_tecken_metric_t *m, uint32_t *cell);
static uint64_t ngx_tecken_metrics_created(ngx_tecken_metric_t *m);


const ngx_tecken_bucket_t  ngx_tecken_buckets[NGX_TECKEN_BUCKETS] = {
    { 50, ngx_string("0.00005") },
    { 100, ngx_string("0.0001") },
    { 250, ngx_string("0.00025") },
    { 500, ngx_string("0.0005") },
    { 1000, ngx_string("0.001") },
    { 2500, ngx_string("0.0025") },
    { 5000, ngx_string("0.005") },
    { 10000, ngx_string("0.01") },
    { 25000, ngx_string("0.025") },
    { 50000, ngx_string("0.05") },
    { 100000, ngx_string("0.1") },
    { 250000, ngx_string("0.25") },
    { 500000, ngx_string("0.5") },
    { 1000000, ngx_string("1") },
    { 2500000, ngx_string("2.5") },
    { 5000000, ngx_string("5") },
    { 10000000, ngx_string("10") },
    { 30000000, ngx_string("30") },
    { 60000000, ngx_string("60") },
    { (uint64_t) -1, ngx_string("+Inf") }
};

const ngx_tecken_bucket_t  ngx_tecken_size_buckets[NGX_TECKEN_BUCKETS] = {
    { 256, ngx_string("256") },
    { 512, ngx_string("512") },
    { 1024, ngx_string("1024") },
    { 2048, ngx_string("2048") },
    { 4096, ngx_string("4096") },
    { 8192, ngx_string("8192") },
    { 16384, ngx_string("16384") },
    { 32768, ngx_string("32768") },
    { 65536, ngx_string("65536") },
    { 131072, ngx_string("131072") },
    { 262144, ngx_string("262144") },
    { 524288, ngx_string("524288") },
    { 1048576, ngx_string("1048576") },
    { 2097152, ngx_string("2097152") },
    { 4194304, ngx_string("4194304") },
    { 8388608, ngx_string("8388608") },
    { 16777216, ngx_string("16777216") },
    { 33554432, ngx_string("33554432") },
    { 67108864, ngx_string("67108864") },
    { (uint64_t) -1, ngx_string("+Inf") }
};


ngx_tecken_metrics_t *
ngx_tecken_metrics_create(ngx_conf_t *cf)
{
    ngx_tecken_metric_t   *m;
    ngx_tecken_metrics_t  *metrics;

    metrics = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_metrics_t));
    if (metrics == NULL) {
        return NULL;
    }

    if (ngx_array_init(&metrics->families, cf->pool, 64,
                       sizeof(ngx_tecken_family_t))
        != NGX_OK)
    {
        return NULL;
    }

    metrics->pool = cf->pool;

    m = &metrics->created;

    m->type = NGX_TECKEN_METRIC_GAUGE;
    ngx_str_set(&m->name, "tecken_zone_created_seconds");
    ngx_str_set(&m->help, "Unix time at which all counters were zero");
    m->value = ngx_tecken_metrics_created;

    if (ngx_tecken_metrics_add(cf, metrics, m) != NGX_OK) {
        return NULL;
    }

    return metrics;
}


ngx_int_t
ngx_tecken_metrics_add(ngx_conf_t *cf, ngx_tecken_metrics_t *metrics,
    ngx_tecken_metric_t *m)
{
    ngx_tecken_metric_t  *o;
    ngx_tecken_family_t  *family;

    if (ngx_tecken_metrics_check(cf, m) != NGX_OK) {
        return NGX_ERROR;
    }

    family = ngx_tecken_metrics_family(metrics, &m->name);

    if (family == NULL) {
        family = ngx_array_push(&metrics->families);
        if (family == NULL) {
            return NGX_ERROR;
        }

        family->first = NULL;
    }

    for (o = family->first; o; o = o->next) {

        if (o->type != m->type) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "metric \"%V\" is of two types", &m->name);
            return NGX_ERROR;
        }

        if (o->labels.len == m->labels.len
            && ngx_strncmp(o->labels.data, m->labels.data, m->labels.len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate metric \"%V{%V}\"",
                               &m->name, &m->labels);
            return NGX_ERROR;
        }

        if (o->next == NULL) {
            break;
        }
    }

    m->metrics = metrics;
    m->cell = 0;
    m->next = NULL;

    if (o) {
        o->next = m;

    } else {
        family->first = m;
    }

    return NGX_OK;
}


ngx_int_t
ngx_tecken_metrics_define(ngx_conf_t *cf, ngx_tecken_metrics_t *metrics,
    ngx_tecken_metric_def_t *def, void *base, ngx_str_t *source)
{
    ngx_tecken_metric_t  *m;

    for ( /* void */ ; def->name.len; def++) {

        m = (ngx_tecken_metric_t *) ((u_char *) base + def->offset);

        m->type = def->type;
        m->name = def->name;
        m->help = def->help;
        m->labels = def->labels;
        m->key = def->key;
        m->tags = def->tags;

        if (source
            && ngx_tecken_metrics_source(cf, &m->labels, source) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (ngx_tecken_metrics_add(cf, metrics, m) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_metrics_source(ngx_conf_t *cf, ngx_str_t *labels,
    ngx_str_t *source)
{
    u_char  *p;

    p = ngx_pnalloc(cf->pool, sizeof("source=\"\",") - 1 + source->len
                              + labels->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    labels->len = ngx_sprintf(p, "source=\"%V\"%s%V", source,
                              labels->len ? "," : "", labels)
                  - p;
    labels->data = p;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_metrics_check(ngx_conf_t *cf, ngx_tecken_metric_t *m)
{
    u_char      *p, *end;
    ngx_uint_t   valid;

    p = m->name.data;
    end = p + m->name.len;

    valid = ngx_tecken_metrics_name(&p, end, 1) && p == end;

    if (!valid || !ngx_tecken_metrics_labels(&m->labels)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name or labels of metric \"%V{%V}\"",
                           &m->name, &m->labels);
        return NGX_ERROR;
    }

    if (m->name.len + m->labels.len > NGX_TECKEN_METRICS_ID_LEN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "name and labels of metric \"%V{%V}\" exceed "
                           "%d bytes", &m->name, &m->labels,
                           NGX_TECKEN_METRICS_ID_LEN);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* [a-zA-Z_][a-zA-Z0-9_]*, and colons in the name of a metric */

static ngx_uint_t
ngx_tecken_metrics_name(u_char **pos, u_char *end, ngx_uint_t colon)
{
    u_char  *p, ch;

    for (p = *pos; p < end; p++) {
        ch = (u_char) (*p | 0x20);

        if ((ch >= 'a' && ch <= 'z') || *p == '_') {
            continue;
        }

        if (*p == ':' && colon) {
            continue;
        }

        if (*p >= '0' && *p <= '9' && p != *pos) {
            continue;
        }

        break;
    }

    if (p == *pos) {
        return 0;
    }

    *pos = p;

    return 1;
}


/* name="value" with commas between */

static ngx_uint_t
ngx_tecken_metrics_labels(ngx_str_t *labels)
{
    u_char  *p, *end;

    p = labels->data;
    end = p + labels->len;

    if (p == end) {
        return 1;
    }

    for ( ;; ) {

        if (!ngx_tecken_metrics_name(&p, end, 0)) {
            return 0;
        }

        if (end - p < 3 || p[0] != '=' || p[1] != '"') {
            return 0;
        }

        for (p += 2; p < end && *p != '"'; p++) {
            if (*p < ' ' || *p == '\\') {
                return 0;
            }
        }

        if (p == end) {
            return 0;
        }

        p++;

        if (p == end) {
            return 1;
        }

        if (*p++ != ',') {
            return 0;
        }
    }
}


static ngx_tecken_family_t *
ngx_tecken_metrics_family(ngx_tecken_metrics_t *metrics, ngx_str_t *name)
{
    ngx_str_t            *s;
    ngx_uint_t            i;
    ngx_tecken_family_t  *family;

    family = metrics->families.elts;

    for (i = 0; i < metrics->families.nelts; i++) {
        s = &family[i].first->name;

        if (s->len == name->len
            && ngx_strncmp(s->data, name->data, name->len) == 0)
        {
            return &family[i];
        }
    }

    return NULL;
}


ngx_int_t
ngx_tecken_metrics_init_zone(ngx_tecken_metrics_t *metrics,
    ngx_slab_pool_t *shpool, ngx_tecken_metrics_sh_t **sh, ngx_log_t *log)
{
    ngx_uint_t            i;
    ngx_tecken_metric_t  *m;
    ngx_tecken_family_t  *family;

    if (*sh == NULL && ngx_tecken_metrics_init_sh(shpool, sh, log) != NGX_OK) {
        return NGX_ERROR;
    }

    metrics->sh = *sh;

    family = metrics->families.elts;

    for (i = 0; i < metrics->families.nelts; i++) {
        for (m = family[i].first; m; m = m->next) {

            if (ngx_tecken_metrics_series(*sh, shpool, m, log) != NGX_OK) {
                return NGX_ERROR;
            }

            if (metrics->statsd == NULL) {
                continue;
            }

            if (ngx_tecken_statsd_prepare(metrics->statsd, metrics->pool, m,
                                          log)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_metrics_init_sh(ngx_slab_pool_t *shpool,
    ngx_tecken_metrics_sh_t **shp, ngx_log_t *log)
{
    size_t                    size, rows;
    ngx_tecken_metrics_sh_t  *sh;

    rows = NGX_TECKEN_METRICS_ROWS * NGX_TECKEN_METRICS_CELLS
           * sizeof(ngx_atomic_t);

    size = sizeof(ngx_tecken_metrics_sh_t) + ngx_cacheline_size + rows;

    sh = ngx_slab_alloc(shpool, size);

    if (sh == NULL) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "the shared memory zone is too small, metrics take "
                      "%uzk of it", size / 1024 + 1);
        return NGX_ERROR;
    }

    ngx_memzero(sh, size);

    sh->created = ngx_time();
    sh->rows = (ngx_atomic_t *) ngx_align_ptr(sh + 1, ngx_cacheline_size);

    /* a series without a cell of its own has the first */
    sh->ncells = 1;

    *shp = sh;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_metrics_series(ngx_tecken_metrics_sh_t *sh,
    ngx_slab_pool_t *shpool, ngx_tecken_metric_t *m, ngx_log_t *log)
{
    u_char                id[NGX_TECKEN_METRICS_ID_LEN + 2], *p;
    size_t                len;
    uint32_t              cell;
    ngx_uint_t            i;
    ngx_tecken_series_t  *series;

    if (m->value) {
        return NGX_OK;
    }

    p = ngx_sprintf(id, "%V{%V}", &m->name, &m->labels);
    len = p - id;

    for (i = 0; i < sh->nseries; i++) {
        series = &sh->series[i];

        if (series->len == len
            && series->type == m->type
            && ngx_memcmp(series->id, id, len) == 0)
        {
            m->cell = series->cell;
            return NGX_OK;
        }
    }

    if (sh->nseries == NGX_TECKEN_METRICS_SERIES
        || ngx_tecken_metrics_cells(sh, shpool, m, &cell) != NGX_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "no room for metric \"%*s\" after %ui series with %ui "
                      "values, those of former configurations included: "
                      "name less, or restart", len, id,
                      sh->nseries, sh->ncells);
        return NGX_ERROR;
    }

    series = &sh->series[sh->nseries++];

    series->cell = cell;
    series->type = (uint16_t) m->type;
    series->len = (uint16_t) len;
    ngx_memcpy(series->id, id, len);

    m->cell = cell;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_metrics_cells(ngx_tecken_metrics_sh_t *sh, ngx_slab_pool_t *shpool,
    ngx_tecken_metric_t *m, uint32_t *cell)
{
    ngx_uint_t     n;
    ngx_atomic_t  *level;

    if (m->type == NGX_TECKEN_METRIC_GAUGE) {

        if (sh->nlevels == NGX_TECKEN_METRICS_LEVELS) {
            return NGX_ERROR;
        }

        level = ngx_slab_calloc(shpool,
                                NGX_MAX_PROCESSES * sizeof(ngx_atomic_t));
        if (level == NULL) {
            return NGX_ERROR;
        }

        *cell = (uint32_t) sh->nlevels;
        sh->levels[sh->nlevels++] = level;

        return NGX_OK;
    }

    n = (m->type == NGX_TECKEN_METRIC_COUNTER) ? 1 : NGX_TECKEN_BUCKETS + 1;

    if (sh->ncells + n > NGX_TECKEN_METRICS_CELLS) {
        return NGX_ERROR;
    }

    *cell = (uint32_t) sh->ncells;
    sh->ncells += n;

    return NGX_OK;
}


static uint64_t
ngx_tecken_metrics_created(ngx_tecken_metric_t *m)
{
    return (uint64_t) m->metrics->sh->created;
}


ngx_int_t
ngx_tecken_metrics_init_worker(ngx_tecken_metrics_t *metrics,
    ngx_cycle_t *cycle)
{
    ngx_uint_t  i, n;

    /* of many generations two may share a row, their additions are atomic */

    n = (ngx_uint_t) ngx_process_slot % NGX_TECKEN_METRICS_ROWS;

    metrics->row = metrics->sh->rows + n * NGX_TECKEN_METRICS_CELLS;

    for (i = 0; i < metrics->sh->nlevels; i++) {
        metrics->sh->levels[i][ngx_process_slot] = 0;
    }

    if (metrics->statsd) {
        ngx_tecken_statsd_init_worker(metrics->statsd, cycle);
    }

    return NGX_OK;
}


void
ngx_tecken_metrics_exit_worker(ngx_tecken_metrics_t *metrics,
    ngx_cycle_t *cycle)
{
    if (metrics->statsd) {
        ngx_tecken_statsd_exit_worker(metrics->statsd);
    }
}


void
ngx_tecken_metrics_count(ngx_tecken_metric_t *m, ngx_uint_t n)
{
    ngx_tecken_metrics_t  *metrics;

    if (m == NULL || m->metrics == NULL || m->metrics->row == NULL || n == 0) {
        return;
    }

    metrics = m->metrics;

    (void) ngx_atomic_fetch_add(&metrics->row[m->cell], (ngx_atomic_int_t) n);

    if (m->head.len) {
        ngx_tecken_statsd_count(metrics->statsd, m, n);
    }
}


void
ngx_tecken_metrics_observe(ngx_tecken_metric_t *m, uint64_t value)
{
    ngx_uint_t                  n;
    ngx_atomic_t               *cell;
    ngx_tecken_metrics_t       *metrics;
    const ngx_tecken_bucket_t  *buckets;

    if (m == NULL || m->metrics == NULL || m->metrics->row == NULL) {
        return;
    }

    metrics = m->metrics;

    buckets = ngx_tecken_buckets_of(m);

    for (n = 0; value > buckets[n].value; n++) { /* void */ }

    cell = &metrics->row[m->cell];

    (void) ngx_atomic_fetch_add(&cell[n], 1);
    (void) ngx_atomic_fetch_add(&cell[NGX_TECKEN_BUCKETS],
                                (ngx_atomic_int_t) value);

    if (m->head.len) {
        ngx_tecken_statsd_observe(metrics->statsd, m, value);
    }
}


void
ngx_tecken_metrics_level(ngx_tecken_metric_t *m, ngx_int_t n)
{
    ngx_tecken_metrics_t  *metrics;

    metrics = m->metrics;

    if (metrics == NULL || metrics->row == NULL) {
        return;
    }

    (void) ngx_atomic_fetch_add(
                         &metrics->sh->levels[m->cell][ngx_process_slot], n);
}


uint64_t
ngx_tecken_metrics_sum(ngx_tecken_metric_t *m)
{
    uint64_t       sum;
    ngx_uint_t     i;
    ngx_atomic_t  *level;

    sum = 0;
    level = m->metrics->sh->levels[m->cell];

    for (i = 0; i < NGX_MAX_PROCESSES; i++) {
        sum += level[i];
    }

    return sum;
}


uint64_t
ngx_tecken_usec(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}
