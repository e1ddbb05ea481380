
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_submit.h>

#include <tk_json.h>


#define NGX_ANTENNA_LOG_TEXT  1024


/*
 * One JSON object per line, as dockerflow.logging writes it.  A write() to a
 * file, as of nginx's access log, which is not buffered either.
 */

void ngx_cdecl
ngx_antenna_log(ngx_antenna_submit_main_conf_t *amcf, ngx_uint_t severity,
    const char *type, const char *fmt, ...)
{
    size_t           len;
    u_char          *p, *last, text[NGX_ANTENNA_LOG_TEXT],
                     line[6 * NGX_ANTENNA_LOG_TEXT + 2 * NGX_MAXHOSTNAMELEN
                          + 256];
    va_list          args;
    struct timeval   tv;

    if (amcf->log == NULL) {
        return;
    }

    va_start(args, fmt);
    last = ngx_vslprintf(text, text + NGX_ANTENNA_LOG_TEXT, fmt, args);
    va_end(args);

    len = last - text;

    ngx_gettimeofday(&tv);

    p = ngx_sprintf(line, "{\"Timestamp\": %T%06d000, \"Type\": \"%s\", "
                    "\"Logger\": \"antenna\", \"Hostname\": \"%V\", "
                    "\"EnvVersion\": \"2.0\", \"Severity\": %ui, "
                    "\"Pid\": %P, \"Fields\": {\"host_id\": \"%V\", "
                    "\"processname\": \"antenna\", \"msg\": \"",
                    (time_t) tv.tv_sec, (int) tv.tv_usec, type,
                    (ngx_str_t *) &ngx_cycle->hostname, severity, ngx_pid,
                    (ngx_str_t *) &ngx_cycle->hostname);

    p += tk_json_escape(p, text, len);

    *p++ = '"'; *p++ = '}'; *p++ = '}'; *p++ = LF;

    (void) ngx_write_fd(amcf->log->fd, line, p - line);
}
