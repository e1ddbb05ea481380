
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_metrics.h>
#include <ngx_tecken_metrics_zone.h>


#define NGX_TECKEN_PROMETHEUS_BUF  16384


typedef struct {
    ngx_pool_t             *pool;
    ngx_chain_t            *out;
    ngx_chain_t           **last;
    ngx_buf_t              *buf;
    uint64_t               *cells;
} ngx_tecken_prometheus_t;


static uint64_t *ngx_tecken_prometheus_cells(ngx_tecken_metrics_sh_t *sh,
    ngx_pool_t *pool);
static ngx_int_t ngx_tecken_prometheus_family(ngx_tecken_prometheus_t *pr,
    ngx_tecken_metric_t *m);
static ngx_int_t ngx_tecken_prometheus_value(ngx_tecken_prometheus_t *pr,
    ngx_tecken_metric_t *m, uint64_t value);
static ngx_int_t ngx_tecken_prometheus_histogram(ngx_tecken_prometheus_t *pr,
    ngx_tecken_metric_t *m);
static ngx_buf_t *ngx_tecken_prometheus_room(ngx_tecken_prometheus_t *pr,
    size_t size);


ngx_int_t
ngx_tecken_metrics_handler(ngx_http_request_t *r,
    ngx_tecken_metrics_t *metrics)
{
    off_t         len;
    ngx_int_t     rc;
    ngx_chain_t  *out, *cl;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    out = ngx_tecken_metrics_prometheus(metrics, r->pool);
    if (out == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    len = 0;

    for (cl = out; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);

        if (cl->next == NULL) {
            cl->buf->last_buf = (r == r->main) ? 1 : 0;
            cl->buf->last_in_chain = 1;
        }
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = len;

    ngx_str_set(&r->headers_out.content_type, "text/plain; version=0.0.4");
    r->headers_out.content_type_len = sizeof("text/plain") - 1;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, out);
}


ngx_chain_t *
ngx_tecken_metrics_prometheus(ngx_tecken_metrics_t *metrics, ngx_pool_t *pool)
{
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_tecken_metric_t      *m;
    ngx_tecken_family_t      *family;
    ngx_tecken_prometheus_t   pr;

    ngx_memzero(&pr, sizeof(ngx_tecken_prometheus_t));

    pr.pool = pool;
    pr.last = &pr.out;

    pr.cells = ngx_tecken_prometheus_cells(metrics->sh, pool);
    if (pr.cells == NULL) {
        return NULL;
    }

    family = metrics->families.elts;

    for (i = 0; i < metrics->families.nelts; i++) {

        if (ngx_tecken_prometheus_family(&pr, family[i].first) != NGX_OK) {
            return NULL;
        }

        for (m = family[i].first; m; m = m->next) {

            switch (m->type) {

            case NGX_TECKEN_METRIC_HISTOGRAM:
            case NGX_TECKEN_METRIC_SIZE:
                rc = ngx_tecken_prometheus_histogram(&pr, m);
                break;

            case NGX_TECKEN_METRIC_GAUGE:
                rc = ngx_tecken_prometheus_value(&pr, m,
                              m->value ? m->value(m)
                                       : ngx_tecken_metrics_sum(m));
                break;

            default: /* NGX_TECKEN_METRIC_COUNTER */
                rc = ngx_tecken_prometheus_value(&pr, m, pr.cells[m->cell]);
                break;
            }

            if (rc != NGX_OK) {
                return NULL;
            }
        }
    }

    return pr.out;
}


/* row after row: a column of cells would miss the cache at each step */

static uint64_t *
ngx_tecken_prometheus_cells(ngx_tecken_metrics_sh_t *sh, ngx_pool_t *pool)
{
    uint64_t      *cells;
    ngx_uint_t     i, n, ncells;
    ngx_atomic_t  *row;

    /* read once: the master may be adding series for the next cycle */

    ncells = sh->ncells;

    cells = ngx_pcalloc(pool, ncells * sizeof(uint64_t));
    if (cells == NULL) {
        return NULL;
    }

    for (n = 0; n < NGX_TECKEN_METRICS_ROWS; n++) {
        row = sh->rows + n * NGX_TECKEN_METRICS_CELLS;

        for (i = 0; i < ncells; i++) {
            cells[i] += row[i];
        }
    }

    return cells;
}


static ngx_int_t
ngx_tecken_prometheus_family(ngx_tecken_prometheus_t *pr,
    ngx_tecken_metric_t *m)
{
    u_char      *p;
    size_t       i;
    ngx_buf_t   *b;

    static char  *types[] = { "counter", "gauge", "histogram", "histogram" };

    b = ngx_tecken_prometheus_room(pr, 2 * m->name.len + 2 * m->help.len
                            + sizeof("# HELP  \n# TYPE  histogram\n") - 1);
    if (b == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(b->last, "# HELP %V ", &m->name);

    for (i = 0; i < m->help.len; i++) {

        switch (m->help.data[i]) {

        case '\\':
            *p++ = '\\'; *p++ = '\\';
            break;

        case LF:
            *p++ = '\\'; *p++ = 'n';
            break;

        default:
            *p++ = m->help.data[i];
            break;
        }
    }

    b->last = ngx_sprintf(p, "\n# TYPE %V %s\n", &m->name, types[m->type]);

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_prometheus_value(ngx_tecken_prometheus_t *pr,
    ngx_tecken_metric_t *m, uint64_t value)
{
    ngx_buf_t  *b;

    b = ngx_tecken_prometheus_room(pr, m->name.len + m->labels.len
                                       + sizeof("{} \n") - 1 + NGX_INT64_LEN);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last = ngx_sprintf(b->last, m->labels.len ? "%V{%V} " : "%V%V ",
                          &m->name, &m->labels);
    b->last = ngx_sprintf(b->last, "%uL\n", value);

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_prometheus_histogram(ngx_tecken_prometheus_t *pr,
    ngx_tecken_metric_t *m)
{
    char                       *comma, *labels;
    size_t                      len;
    uint64_t                   *cell, count, sum;
    ngx_buf_t                  *b;
    ngx_uint_t                  i;
    const ngx_tecken_bucket_t  *buckets;

    len = m->name.len + m->labels.len
          + sizeof("_bucket{,le=\"67108864\"} .000000\n") - 1 + NGX_INT64_LEN;

    b = ngx_tecken_prometheus_room(pr, (NGX_TECKEN_BUCKETS + 2) * len);
    if (b == NULL) {
        return NGX_ERROR;
    }

    comma = m->labels.len ? "," : "";
    labels = m->labels.len ? "{%V} " : "%V ";

    cell = &pr->cells[m->cell];
    count = 0;

    buckets = ngx_tecken_buckets_of(m);

    for (i = 0; i < NGX_TECKEN_BUCKETS; i++) {
        count += cell[i];

        b->last = ngx_sprintf(b->last, "%V_bucket{%V%sle=\"%V\"} %uL\n",
                              &m->name, &m->labels, comma,
                              &buckets[i].le, count);
    }

    sum = cell[i];

    b->last = ngx_sprintf(b->last, "%V_sum", &m->name);
    b->last = ngx_sprintf(b->last, labels, &m->labels);

    if (m->type == NGX_TECKEN_METRIC_SIZE) {
        b->last = ngx_sprintf(b->last, "%uL\n", sum);

    } else {
        b->last = ngx_sprintf(b->last, "%uL.%06uL\n", sum / 1000000,
                              sum % 1000000);
    }

    b->last = ngx_sprintf(b->last, "%V_count", &m->name);
    b->last = ngx_sprintf(b->last, labels, &m->labels);
    b->last = ngx_sprintf(b->last, "%uL\n", count);

    return NGX_OK;
}


static ngx_buf_t *
ngx_tecken_prometheus_room(ngx_tecken_prometheus_t *pr, size_t size)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = pr->buf;

    if (b && (size_t) (b->end - b->last) >= size) {
        return b;
    }

    b = ngx_create_temp_buf(pr->pool,
                            ngx_max(size, NGX_TECKEN_PROMETHEUS_BUF));
    if (b == NULL) {
        return NULL;
    }

    cl = ngx_alloc_chain_link(pr->pool);
    if (cl == NULL) {
        return NULL;
    }

    cl->buf = b;
    cl->next = NULL;

    *pr->last = cl;
    pr->last = &cl->next;

    pr->buf = b;

    return b;
}
