
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_s3.h>


#define NGX_TECKEN_S3_CONNECT_TIMEOUT  2000
#define NGX_TECKEN_S3_TIMEOUT          5000
#define NGX_TECKEN_S3_DEADLINE         10000
#define NGX_TECKEN_S3_RETRIES          2
#define NGX_TECKEN_S3_REGION           "us-east-1"


static char *ngx_tecken_s3_option_access(ngx_conf_t *cf,
    ngx_tecken_storage_t *st, ngx_str_t *value);
static char *ngx_tecken_s3_option_credentials(ngx_conf_t *cf,
    ngx_tecken_storage_t *st, ngx_str_t *value);
static char *ngx_tecken_s3_option_key(ngx_conf_t *cf,
    ngx_tecken_storage_t *st, ngx_str_t *value);
static char *ngx_tecken_s3_option_msec(ngx_conf_t *cf,
    ngx_tecken_storage_t *st, ngx_str_t *value);
static char *ngx_tecken_s3_option_value(ngx_conf_t *cf,
    ngx_tecken_storage_t *st, ngx_str_t *value);
static ngx_tecken_credentials_t *ngx_tecken_s3_credentials(ngx_conf_t *cf,
    ngx_tecken_s3_t *s3);
static char *ngx_tecken_s3_conf_credentials(ngx_conf_t *cf,
    ngx_tecken_storage_t *st);
static ngx_uint_t ngx_tecken_s3_unsendable(tk_str_t *s);


typedef struct {
    ngx_str_t   name;
    char     *(*set)(ngx_conf_t *cf, ngx_tecken_storage_t *st,
                     ngx_str_t *option);
} ngx_tecken_s3_option_t;


static ngx_tecken_s3_option_t  ngx_tecken_s3_options[] = {

    { ngx_string("access="), ngx_tecken_s3_option_access },
    { ngx_string("credentials="), ngx_tecken_s3_option_credentials },
    { ngx_string("profile="), ngx_tecken_s3_option_key },
    { ngx_string("access_key="), ngx_tecken_s3_option_key },
    { ngx_string("secret_key="), ngx_tecken_s3_option_key },
    { ngx_string("session_token="), ngx_tecken_s3_option_key },
    { ngx_string("connect_timeout="), ngx_tecken_s3_option_msec },
    { ngx_string("timeout="), ngx_tecken_s3_option_msec },
    { ngx_string("deadline="), ngx_tecken_s3_option_msec },
    { ngx_string("region="), ngx_tecken_s3_option_value },
    { ngx_string("addressing="), ngx_tecken_s3_option_value },
    { ngx_string("list="), ngx_tecken_s3_option_value },
    { ngx_string("retries="), ngx_tecken_s3_option_value },
    { ngx_string("ca="), ngx_tecken_s3_option_value },

    { ngx_null_string, NULL }
};


char *
ngx_tecken_s3_option(ngx_conf_t *cf, ngx_tecken_storage_t *st,
    ngx_str_t *option)
{
    char                    *rv;
    u_char                  *eq;
    ngx_tecken_s3_option_t  *o;

    for (o = ngx_tecken_s3_options; o->set; o++) {

        if (ngx_strncmp(option->data, o->name.data, o->name.len) != 0) {
            continue;
        }

        if (option->len == o->name.len) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "empty parameter \"%V\"", option);
            return NGX_CONF_ERROR;
        }

        rv = o->set(cf, st, option);

        if (rv == NGX_CONF_OK || rv == NGX_CONF_ERROR) {
            return rv;
        }

        break;
    }

    /* of a parameter only its name: it may be a secret */

    eq = ngx_strlchr(option->data, option->data + option->len, '=');

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%*s\"",
                       eq ? (size_t) (eq - option->data) : option->len,
                       option->data);

    return NGX_CONF_ERROR;
}


static char *
ngx_tecken_s3_option_access(ngx_conf_t *cf, ngx_tecken_storage_t *st,
    ngx_str_t *option)
{
    if (ngx_strcmp(option->data, "access=public") == 0) {
        st->public = 1;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(option->data, "access=private") == 0) {
        st->public = 0;
        return NGX_CONF_OK;
    }

    return "is invalid";
}


static char *
ngx_tecken_s3_option_credentials(ngx_conf_t *cf, ngx_tecken_storage_t *st,
    ngx_str_t *option)
{
    ngx_tecken_s3_t *s3 = st->conf;

    ngx_tecken_credentials_t  *cr;

    s3->credentials_set = 1;

    if (ngx_strcmp(option->data, "credentials=none") == 0) {
        return NGX_CONF_OK;
    }

    cr = ngx_tecken_s3_credentials(cf, s3);
    if (cr == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_strcmp(option->data, "credentials=env") == 0) {
        cr->env = 1;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(option->data, "credentials=file:", 17) == 0) {

        cr->path.data = option->data + 17;
        cr->path.len = option->len - 17;

        if (ngx_conf_full_name(cf->cycle, &cr->path, 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    return "is invalid";
}


static ngx_tecken_credentials_t *
ngx_tecken_s3_credentials(ngx_conf_t *cf, ngx_tecken_s3_t *s3)
{
    if (s3->credentials == NULL) {
        s3->credentials = ngx_pcalloc(cf->pool,
                                      sizeof(ngx_tecken_credentials_t));
    }

    return s3->credentials;
}


static char *
ngx_tecken_s3_option_key(ngx_conf_t *cf, ngx_tecken_storage_t *st,
    ngx_str_t *option)
{
    ngx_tecken_s3_t *s3 = st->conf;

    u_char                    *value;
    size_t                     len;
    ngx_tecken_credentials_t  *cr;

    cr = ngx_tecken_s3_credentials(cf, s3);
    if (cr == NULL) {
        return NGX_CONF_ERROR;
    }

    value = (u_char *) ngx_strchr(option->data, '=') + 1;
    len = option->data + option->len - value;

    if (option->data[0] == 'p') {
        cr->profile.data = value;
        cr->profile.len = len;

    } else if (option->data[0] == 'a') {
        cr->keys.access_key.data = value;
        cr->keys.access_key.len = len;

    } else if (option->data[2] == 'c') {
        cr->keys.secret_key.data = value;
        cr->keys.secret_key.len = len;

    } else {
        cr->keys.session_token.data = value;
        cr->keys.session_token.len = len;
    }

    return NGX_CONF_OK;
}


static char *
ngx_tecken_s3_option_msec(ngx_conf_t *cf, ngx_tecken_storage_t *st,
    ngx_str_t *option)
{
    ngx_tecken_s3_t *s3 = st->conf;

    ngx_str_t   v;
    ngx_msec_t  ms;

    v.data = (u_char *) ngx_strchr(option->data, '=') + 1;
    v.len = option->data + option->len - v.data;

    ms = ngx_parse_time(&v, 0);
    if (ms == (ngx_msec_t) NGX_ERROR || ms == 0) {
        return "is invalid";
    }

    switch (option->data[0]) {

    case 'c':
        s3->connect_timeout = ms;
        break;

    case 't':
        s3->timeout = ms;
        break;

    default: /* deadline */
        s3->deadline = ms;
        break;
    }

    return NGX_CONF_OK;
}


static char *
ngx_tecken_s3_option_value(ngx_conf_t *cf, ngx_tecken_storage_t *st,
    ngx_str_t *option)
{
    ngx_tecken_s3_t *s3 = st->conf;

    ngx_int_t  n;
    ngx_str_t  v;

    v.data = (u_char *) ngx_strchr(option->data, '=') + 1;
    v.len = option->data + option->len - v.data;

    switch (option->data[0]) {

    case 'a':
        if (ngx_strcmp(v.data, "virtual") == 0) {
            s3->virtual = 1;
            return NGX_CONF_OK;
        }

        return (ngx_strcmp(v.data, "path") == 0) ? NGX_CONF_OK : "is invalid";

    case 'l':
        s3->list_set = 1;
        s3->list = (ngx_strcmp(v.data, "on") == 0);

        return (s3->list || ngx_strcmp(v.data, "off") == 0) ? NGX_CONF_OK
                                                            : "is invalid";
    case 'c':
        if (ngx_conf_full_name(cf->cycle, &v, 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        if (access((char *) v.data, R_OK) == -1) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                               "\"ca\" file \"%V\" can not be read", &v);
            return NGX_CONF_ERROR;
        }

        s3->ca = v;
        return NGX_CONF_OK;

    default:
        break;
    }

    if (ngx_strncmp(option->data, "region=", 7) == 0) {
        s3->region = v;
        return NGX_CONF_OK;
    }

    /* retries: 0 is kept as 0 by an offset of 1 until conf() */

    n = ngx_atoi(v.data, v.len);
    if (n == NGX_ERROR || n > 10) {
        return "is invalid";
    }

    s3->retries = n + 1;

    return NGX_CONF_OK;
}


char *
ngx_tecken_s3_conf(ngx_conf_t *cf, ngx_tecken_storage_t *st)
{
    ngx_tecken_s3_t *s3 = st->conf;

    if (s3->credentials) {

        if (ngx_tecken_s3_conf_credentials(cf, st) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

        if (st->public) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "storage \"%V\" has \"access=public\" and "
                               "credentials, remove one of the two", &st->name);
            return NGX_CONF_ERROR;
        }

    } else if (!st->public) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "storage \"%V\" needs \"credentials\", or "
                           "\"access=public\"", &st->name);
        return NGX_CONF_ERROR;
    }

    if (s3->connect_timeout == 0) {
        s3->connect_timeout = NGX_TECKEN_S3_CONNECT_TIMEOUT;
    }

    if (s3->timeout == 0) {
        s3->timeout = NGX_TECKEN_S3_TIMEOUT;
    }

    if (s3->deadline == 0) {
        s3->deadline = ngx_max(NGX_TECKEN_S3_DEADLINE, s3->timeout);
    }

    st->deadline = s3->deadline;

    s3->retries = s3->retries ? s3->retries - 1 : NGX_TECKEN_S3_RETRIES;

    /*
     * Without the right to list, S3 says 403 for a key that is not there;
     * the owner of a bucket usually has it, the public usually not.
     */

    if (!s3->list_set) {
        s3->list = !st->public;
    }

    if (ngx_tecken_s3_endpoint(cf, st) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (s3->region.len == 0) {
        ngx_str_set(&s3->region, NGX_TECKEN_S3_REGION);
    }

    return NGX_CONF_OK;
}


/* the keys come from one place */

static char *
ngx_tecken_s3_conf_credentials(ngx_conf_t *cf, ngx_tecken_storage_t *st)
{
    ngx_tecken_s3_t *s3 = st->conf;

    ngx_int_t                  rc;
    ngx_tecken_credentials_t  *cr;

    cr = s3->credentials;

    if (s3->credentials_set
        && (cr->keys.access_key.len || cr->keys.secret_key.len
            || cr->keys.session_token.len))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"credentials\" and \"access_key\" are mutually "
                           "exclusive");
        return NGX_CONF_ERROR;
    }

    if (cr->profile.len && cr->path.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"profile\" needs \"credentials=file:PATH\"");
        return NGX_CONF_ERROR;
    }

    rc = NGX_OK;

    if (cr->path.len) {

        if (cr->profile.len == 0) {
            ngx_str_set(&cr->profile, "default");
        }

        rc = ngx_tecken_credentials_file(cf, cr);

    } else if (cr->env) {
        rc = ngx_tecken_credentials_env(cf, cr);
    }

    if (rc != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "storage \"%V\" has no credentials", &st->name);
        return NGX_CONF_ERROR;
    }

    if (cr->keys.access_key.len == 0 || cr->keys.secret_key.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "storage \"%V\" needs both \"access_key\" and "
                           "\"secret_key\"", &st->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_tecken_s3_unsendable(&cr->keys.access_key)
        || ngx_tecken_s3_unsendable(&cr->keys.secret_key)
        || ngx_tecken_s3_unsendable(&cr->keys.session_token))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "credentials of storage \"%V\" have a control "
                           "character in them, or a blank at an end",
                           &st->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* a secret with a line's end would only be "wrong", and to S3 alone */

static ngx_uint_t
ngx_tecken_s3_unsendable(tk_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < 0x20 || s->data[i] == 0x7f) {
            return 1;
        }
    }

    return s->len && (s->data[0] == ' ' || s->data[s->len - 1] == ' ');
}
