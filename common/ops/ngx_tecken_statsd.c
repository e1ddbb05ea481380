
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_metrics.h>
#include <ngx_tecken_metrics_zone.h>

#include <ngx_event.h>


/* fits the least MTU of the Internet's paths, and of dogstatsd's buffer */
#define NGX_TECKEN_STATSD_DATAGRAM  1400

#define NGX_TECKEN_STATSD_PORT      8125
#define NGX_TECKEN_STATSD_DELAY     1000
#define NGX_TECKEN_STATSD_RETRY     60000     /* at most, from 1 s on */
#define NGX_TECKEN_STATSD_WARN      60000

#define NGX_TECKEN_STATSD_TAG_LEN   100
#define NGX_TECKEN_STATSD_NS_LEN    100


struct ngx_tecken_statsd_s {
    ngx_addr_t           addr;
    ngx_str_t            namespace;
    ngx_uint_t           tags;        /* unsigned  tags:1; */

    ngx_tecken_metric_t  sent;
    ngx_tecken_metric_t  dropped;

    ngx_socket_t         fd;
    ngx_log_t           *log;
    ngx_event_t          timer;
    ngx_uint_t           open;        /* unsigned  open:1; */

    ngx_msec_t           backoff;
    ngx_msec_t           retry;
    ngx_msec_t           warned;      /* 0: never */

    size_t               len;
    u_char               buf[NGX_TECKEN_STATSD_DATAGRAM];
};


static ngx_int_t ngx_tecken_statsd_params(ngx_conf_t *cf,
    ngx_tecken_statsd_t *st);
static ngx_int_t ngx_tecken_statsd_address(ngx_conf_t *cf,
    ngx_tecken_statsd_t *st);
static ngx_int_t ngx_tecken_statsd_counters(ngx_conf_t *cf,
    ngx_tecken_metrics_t *metrics, ngx_tecken_statsd_t *st);
static u_char *ngx_tecken_statsd_sanitize(u_char *p, ngx_str_t *tags);
static ngx_uint_t ngx_tecken_statsd_char(u_char ch);
static u_char *ngx_tecken_statsd_line(ngx_tecken_statsd_t *st,
    ngx_tecken_metric_t *m);
static void ngx_tecken_statsd_line_end(ngx_tecken_statsd_t *st,
    ngx_tecken_metric_t *m, u_char *p);
static void ngx_tecken_statsd_timer(ngx_event_t *ev);
static void ngx_tecken_statsd_flush(ngx_tecken_statsd_t *st);
static ngx_int_t ngx_tecken_statsd_open(ngx_tecken_statsd_t *st);
static void ngx_tecken_statsd_close(ngx_tecken_statsd_t *st);
static void ngx_tecken_statsd_warn(ngx_tecken_statsd_t *st, ngx_err_t err,
    char *what);


/* debug logs of timers look for the fd of a connection */
static ngx_connection_t  ngx_tecken_statsd_dummy = { .fd = (ngx_socket_t) -1 };


char *
ngx_tecken_statsd(ngx_conf_t *cf, ngx_tecken_metrics_t *metrics)
{
    ngx_tecken_statsd_t  *st;

    if (metrics->statsd) {
        return "is duplicate";
    }

    st = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_statsd_t));
    if (st == NULL) {
        return NGX_CONF_ERROR;
    }

    st->fd = (ngx_socket_t) -1;
    st->tags = 1;

    if (ngx_tecken_statsd_params(cf, st) != NGX_OK
        || ngx_tecken_statsd_address(cf, st) != NGX_OK
        || ngx_tecken_statsd_counters(cf, metrics, st) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    metrics->statsd = st;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_tecken_statsd_params(ngx_conf_t *cf, ngx_tecken_statsd_t *st)
{
    size_t       n;
    ngx_str_t   *value;
    ngx_uint_t   i, tags;

    value = cf->args->elts;
    tags = 0;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "namespace=", 10) == 0) {

            if (st->namespace.len) {
                goto duplicate;
            }

            st->namespace.data = value[i].data + 10;
            st->namespace.len = value[i].len - 10;

            for (n = 0; n < st->namespace.len; n++) {
                if (!ngx_tecken_statsd_char(st->namespace.data[n])) {
                    goto namespace;
                }
            }

            if (n == 0 || n > NGX_TECKEN_STATSD_NS_LEN
                || st->namespace.data[n - 1] == '.')
            {
                goto namespace;
            }

            continue;
        }

        if (ngx_strncmp(value[i].data, "tags=", 5) == 0) {

            if (tags++) {
                goto duplicate;
            }

            if (ngx_strcmp(&value[i].data[5], "dogstatsd") == 0) {
                continue;
            }

            if (ngx_strcmp(&value[i].data[5], "none") == 0) {
                st->tags = 0;
                continue;
            }
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", it must be "
                           "\"namespace=NAME\" or "
                           "\"tags=dogstatsd|none\"", &value[i]);
        return NGX_ERROR;
    }

    return NGX_OK;

namespace:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", the namespace is made of "
                       "1 to %d letters, digits, \"_\", \"-\" and \".\", and "
                       "does not end with \".\"",
                       &value[i], NGX_TECKEN_STATSD_NS_LEN);
    return NGX_ERROR;

duplicate:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "duplicate parameter \"%V\"", &value[i]);
    return NGX_ERROR;
}


static ngx_int_t
ngx_tecken_statsd_address(ngx_conf_t *cf, ngx_tecken_statsd_t *st)
{
    ngx_url_t   u;
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = value[1];
    u.default_port = NGX_TECKEN_STATSD_PORT;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        if (u.err) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "%s in statsd address \"%V\"", u.err, &u.url);
        }

        return NGX_ERROR;
    }

    st->addr = u.addrs[0];

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_statsd_counters(ngx_conf_t *cf, ngx_tecken_metrics_t *metrics,
    ngx_tecken_statsd_t *st)
{
    ngx_str_set(&st->sent.name, "tecken_statsd_sent_total");
    ngx_str_set(&st->sent.help, "Datagrams given to the network for statsd");

    ngx_str_set(&st->dropped.name, "tecken_statsd_dropped_total");
    ngx_str_set(&st->dropped.help,
                "Datagrams for statsd that were dropped or refused");

    if (ngx_tecken_metrics_add(cf, metrics, &st->sent) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_tecken_metrics_add(cf, metrics, &st->dropped);
}


ngx_int_t
ngx_tecken_statsd_prepare(ngx_tecken_statsd_t *st, ngx_pool_t *pool,
    ngx_tecken_metric_t *m, ngx_log_t *log)
{
    u_char  *p;
    size_t   len;

    if (m->key.len == 0 || m->type == NGX_TECKEN_METRIC_GAUGE) {
        return NGX_OK;
    }

    len = st->namespace.len + m->key.len + m->tags.len + sizeof(".:|ms|#") - 1;

    if (len > NGX_TECKEN_METRICS_LINE) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "namespace, key and tags of statsd metric \"%V\" "
                      "exceed %d bytes", &m->key, NGX_TECKEN_METRICS_LINE);
        return NGX_ERROR;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    m->head.data = p;

    if (st->namespace.len) {
        p = ngx_sprintf(p, "%V.", &st->namespace);
    }

    p = ngx_sprintf(p, "%V:", &m->key);

    m->head.len = p - m->head.data;
    m->tail.data = p;

    p = ngx_cpymem(p, "|", 1);

    if (m->type == NGX_TECKEN_METRIC_HISTOGRAM) {
        *p++ = 'm'; *p++ = 's';

    } else if (m->type == NGX_TECKEN_METRIC_SIZE) {
        *p++ = 'h';

    } else {
        *p++ = m->samples ? 'h' : 'c';
    }

    if (m->tags.len && st->tags) {
        *p++ = '|'; *p++ = '#';
        p = ngx_tecken_statsd_sanitize(p, &m->tags);
    }

    m->tail.len = p - m->tail.data;

    return NGX_OK;
}


/* k:v,k:v; a second colon and what has no colon belong to the value before */

static u_char *
ngx_tecken_statsd_sanitize(u_char *p, ngx_str_t *tags)
{
    u_char      *s, *colon, *comma, *last, ch;
    size_t       n;
    ngx_uint_t   value;

    last = tags->data + tags->len;
    value = 0;
    n = 0;

    for (s = tags->data; s < last; s++) {
        ch = *s;

        if (ch == ':' && !value) {
            *p++ = ch;
            value = 1;
            n = 0;
            continue;
        }

        if (ch == ',' && value) {
            colon = ngx_strlchr(s + 1, last, ':');
            comma = ngx_strlchr(s + 1, last, ',');

            if (colon && (comma == NULL || colon < comma)) {
                *p++ = ch;
                value = 0;
                n = 0;
                continue;
            }
        }

        if (n < NGX_TECKEN_STATSD_TAG_LEN) {
            *p++ = (ngx_tecken_statsd_char(ch) || ch == '/') ? ch : '_';
            n++;
        }
    }

    return p;
}


static ngx_uint_t
ngx_tecken_statsd_char(u_char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
           || (ch >= '0' && ch <= '9') || ch == '_' || ch == '.' || ch == '-';
}


void
ngx_tecken_statsd_init_worker(ngx_tecken_statsd_t *st, ngx_cycle_t *cycle)
{
    st->log = cycle->log;
    st->open = 1;

    st->timer.handler = ngx_tecken_statsd_timer;
    st->timer.data = &ngx_tecken_statsd_dummy;
    st->timer.log = cycle->log;
    st->timer.cancelable = 1;

    (void) ngx_tecken_statsd_open(st);
}


void
ngx_tecken_statsd_exit_worker(ngx_tecken_statsd_t *st)
{
    ngx_tecken_statsd_flush(st);
    ngx_tecken_statsd_close(st);

    st->open = 0;
}


void
ngx_tecken_statsd_count(ngx_tecken_statsd_t *st, ngx_tecken_metric_t *m,
    ngx_uint_t n)
{
    u_char  *p;

    p = ngx_tecken_statsd_line(st, m);

    if (p) {
        ngx_tecken_statsd_line_end(st, m, ngx_sprintf(p, "%ui", n));
    }
}


void
ngx_tecken_statsd_observe(ngx_tecken_statsd_t *st, ngx_tecken_metric_t *m,
    uint64_t value)
{
    u_char  *p;

    p = ngx_tecken_statsd_line(st, m);

    if (p == NULL) {
        return;
    }

    if (m->type == NGX_TECKEN_METRIC_SIZE) {
        p = ngx_sprintf(p, "%uL", value);

    } else {
        p = ngx_sprintf(p, "%uL.%03uL", value / 1000, value % 1000);
    }

    ngx_tecken_statsd_line_end(st, m, p);
}


static u_char *
ngx_tecken_statsd_line(ngx_tecken_statsd_t *st, ngx_tecken_metric_t *m)
{
    size_t   len;
    u_char  *p;

    if (!st->open) {
        return NULL;
    }

    len = m->head.len + NGX_INT64_LEN + 1 + m->tail.len + 1;

    if (st->len + len > NGX_TECKEN_STATSD_DATAGRAM) {
        ngx_tecken_statsd_flush(st);
    }

    p = st->buf + st->len;

    if (st->len) {
        *p++ = LF;

    } else {
        ngx_add_timer(&st->timer, NGX_TECKEN_STATSD_DELAY);
    }

    return ngx_cpymem(p, m->head.data, m->head.len);
}


static void
ngx_tecken_statsd_line_end(ngx_tecken_statsd_t *st, ngx_tecken_metric_t *m,
    u_char *p)
{
    p = ngx_cpymem(p, m->tail.data, m->tail.len);

    st->len = p - st->buf;
}


static void
ngx_tecken_statsd_timer(ngx_event_t *ev)
{
    ngx_tecken_statsd_t  *st;

    st = (ngx_tecken_statsd_t *)
             ((u_char *) ev - offsetof(ngx_tecken_statsd_t, timer));

    ngx_tecken_statsd_flush(st);
}


static void
ngx_tecken_statsd_flush(ngx_tecken_statsd_t *st)
{
    size_t     len;
    ssize_t    n;
    ngx_err_t  err;

    len = st->len;
    st->len = 0;

    if (st->timer.timer_set) {
        ngx_del_timer(&st->timer);
    }

    if (len == 0) {
        return;
    }

    if (st->fd == (ngx_socket_t) -1 && ngx_tecken_statsd_open(st) != NGX_OK) {
        ngx_tecken_metrics_count(&st->dropped, 1);
        return;
    }

    n = send(st->fd, st->buf, len, 0);

    if (n == -1 && ngx_socket_errno == NGX_ECONNREFUSED
        && st->addr.sockaddr->sa_family != AF_UNIX)
    {
        /* the answer to an earlier datagram, this one has not left yet */

        ngx_tecken_metrics_count(&st->dropped, 1);
        ngx_tecken_statsd_warn(st, NGX_ECONNREFUSED, "send()");

        n = send(st->fd, st->buf, len, 0);
    }

    if (n != -1) {
        ngx_tecken_metrics_count(&st->sent, 1);
        return;
    }

    err = ngx_socket_errno;

    ngx_tecken_metrics_count(&st->dropped, 1);
    ngx_tecken_statsd_warn(st, err, "send()");

    /* a full queue passes; else the peer, a route or our address changed */

    if (err == NGX_EAGAIN || err == ENOBUFS
        || (err == NGX_ECONNREFUSED
            && st->addr.sockaddr->sa_family != AF_UNIX))
    {
        return;
    }

    ngx_tecken_statsd_close(st);
}


static ngx_int_t
ngx_tecken_statsd_open(ngx_tecken_statsd_t *st)
{
    char  *what;

    if (st->backoff && (ngx_msec_int_t) (ngx_current_msec - st->retry) < 0) {
        return NGX_DECLINED;
    }

    what = "socket()";

    st->fd = ngx_socket(st->addr.sockaddr->sa_family, SOCK_DGRAM, 0);

    if (st->fd == (ngx_socket_t) -1) {
        goto failed;
    }

    what = "connect()";

    if (ngx_nonblocking(st->fd) == -1
        || connect(st->fd, st->addr.sockaddr, st->addr.socklen) == -1)
    {
        goto failed;
    }

    st->backoff = 0;

    return NGX_OK;

failed:

    ngx_tecken_statsd_warn(st, ngx_socket_errno, what);
    ngx_tecken_statsd_close(st);

    st->backoff = st->backoff
                  ? ngx_min(st->backoff * 2, NGX_TECKEN_STATSD_RETRY) : 1000;
    st->retry = ngx_current_msec + st->backoff;

    return NGX_ERROR;
}


static void
ngx_tecken_statsd_close(ngx_tecken_statsd_t *st)
{
    if (st->fd == (ngx_socket_t) -1) {
        return;
    }

    if (ngx_close_socket(st->fd) == -1) {
        ngx_log_error(NGX_LOG_ALERT, st->log, ngx_socket_errno,
                      ngx_close_socket_n " failed");
    }

    st->fd = (ngx_socket_t) -1;
}


static void
ngx_tecken_statsd_warn(ngx_tecken_statsd_t *st, ngx_err_t err, char *what)
{
    if (st->warned && ngx_current_msec - st->warned < NGX_TECKEN_STATSD_WARN) {
        return;
    }

    st->warned = ngx_current_msec;

    ngx_log_error(NGX_LOG_WARN, st->log, err,
                  "%s to statsd %V failed, metrics are dropped and counted "
                  "in tecken_statsd_dropped_total", what, &st->addr.name);
}
