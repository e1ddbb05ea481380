
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_credentials.h>

#include <tk_aws_ini.h>


#define NGX_TECKEN_CREDENTIALS_SIZE  16384


static ngx_int_t ngx_tecken_credentials_read(ngx_tecken_credentials_t *cr,
    ngx_uint_t level, ngx_log_t *log);
static char *ngx_tecken_getenv(const char *name, u_char *saved, size_t size);


/*
 * nginx clears the environment of its workers, and of a single process, so
 * that a later configuration would not find there what the first one did
 */

static u_char  ngx_tecken_env_access_key[256];
static u_char  ngx_tecken_env_secret_key[256];
static u_char  ngx_tecken_env_session_token[8000];


ngx_int_t
ngx_tecken_credentials_env(ngx_conf_t *cf, ngx_tecken_credentials_t *cr)
{
    size_t     len;
    char      *access_key, *secret_key, *session_token;
    u_char    *p;

    access_key = ngx_tecken_getenv("AWS_ACCESS_KEY_ID",
                                   ngx_tecken_env_access_key,
                                   sizeof(ngx_tecken_env_access_key));
    secret_key = ngx_tecken_getenv("AWS_SECRET_ACCESS_KEY",
                                   ngx_tecken_env_secret_key,
                                   sizeof(ngx_tecken_env_secret_key));
    session_token = ngx_tecken_getenv("AWS_SESSION_TOKEN",
                                      ngx_tecken_env_session_token,
                                      sizeof(ngx_tecken_env_session_token));

    if (access_key == NULL || secret_key == NULL || session_token == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"credentials=env\": %s is too long",
                           access_key == NULL ? "AWS_ACCESS_KEY_ID"
                           : secret_key == NULL ? "AWS_SECRET_ACCESS_KEY"
                                                : "AWS_SESSION_TOKEN");
        return NGX_ERROR;
    }

    if (access_key[0] == '\0' || secret_key[0] == '\0') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"credentials=env\" needs AWS_ACCESS_KEY_ID and "
                           "AWS_SECRET_ACCESS_KEY in nginx's environment");
        return NGX_ERROR;
    }

    len = ngx_strlen(access_key) + ngx_strlen(secret_key)
          + ngx_strlen(session_token);

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    cr->keys.access_key.data = p;
    cr->keys.access_key.len = ngx_strlen(access_key);
    p = ngx_cpymem(p, access_key, cr->keys.access_key.len);

    cr->keys.secret_key.data = p;
    cr->keys.secret_key.len = ngx_strlen(secret_key);
    p = ngx_cpymem(p, secret_key, cr->keys.secret_key.len);

    cr->keys.session_token.data = p;
    cr->keys.session_token.len = ngx_strlen(session_token);
    ngx_memcpy(p, session_token, cr->keys.session_token.len);

    return NGX_OK;
}


static char *
ngx_tecken_getenv(const char *name, u_char *saved, size_t size)
{
    char  *value;

    value = getenv(name);

    if (value) {

        /* a part of a key would be refused by S3 only, and much later */

        if (ngx_strlen(value) >= size) {
            return NULL;
        }

        ngx_cpystrn(saved, (u_char *) value, size);
    }

    return (char *) saved;
}


ngx_int_t
ngx_tecken_credentials_file(ngx_conf_t *cf, ngx_tecken_credentials_t *cr)
{
    cr->text = ngx_pnalloc(cf->pool, NGX_TECKEN_CREDENTIALS_SIZE);
    cr->spare = ngx_pnalloc(cf->pool, NGX_TECKEN_CREDENTIALS_SIZE);

    if (cr->text == NULL || cr->spare == NULL) {
        return NGX_ERROR;
    }

    cr->mtime = (time_t) -1;

    return ngx_tecken_credentials_read(cr, NGX_LOG_EMERG, cf->log);
}


void
ngx_tecken_credentials_refresh(ngx_tecken_credentials_t *cr, ngx_log_t *log)
{
    ngx_file_info_t  fi;

    if (cr->path.len == 0 || cr->checked == ngx_time()) {
        return;
    }

    cr->checked = ngx_time();

    if (ngx_file_info(cr->path.data, &fi) != NGX_FILE_ERROR
        && ngx_file_mtime(&fi) == cr->mtime
        && ngx_file_size(&fi) == cr->size
        && ngx_file_uniq(&fi) == cr->uniq)
    {
        return;
    }

    (void) ngx_tecken_credentials_read(cr, NGX_LOG_ERR, log);
}


static ngx_int_t
ngx_tecken_credentials_read(ngx_tecken_credentials_t *cr, ngx_uint_t level,
    ngx_log_t *log)
{
    u_char            *text;
    ssize_t            n;
    ngx_fd_t           fd;
    unsigned           line;
    const char        *err;
    ngx_file_info_t    fi;
    tk_credentials_t   keys;

    fd = ngx_open_file(cr->path.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(level, log, ngx_errno,
                      "credentials: " ngx_open_file_n " \"%V\" failed",
                      &cr->path);
        return NGX_ERROR;
    }

    n = NGX_ERROR;
    text = cr->spare;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_log_error(level, log, ngx_errno,
                      "credentials: " ngx_fd_info_n " \"%V\" failed",
                      &cr->path);

    } else if (ngx_file_size(&fi) > NGX_TECKEN_CREDENTIALS_SIZE) {
        ngx_log_error(level, log, 0,
                      "credentials: \"%V\" is larger than %d bytes",
                      &cr->path, NGX_TECKEN_CREDENTIALS_SIZE);

    } else {
        n = ngx_read_fd(fd, text, NGX_TECKEN_CREDENTIALS_SIZE);

        if (n == -1) {
            ngx_log_error(level, log, ngx_errno,
                          "credentials: " ngx_read_fd_n " \"%V\" failed",
                          &cr->path);
        }
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                      ngx_close_file_n " \"%V\" failed", &cr->path);
    }

    if (n < 0) {
        return NGX_ERROR;
    }

    /*
     * Bad or good, the same text is not parsed twice; but a file that has
     * just been written may be written again within the second.
     */

    cr->mtime = (ngx_file_mtime(&fi) < ngx_time() - 1) ? ngx_file_mtime(&fi)
                                                       : (time_t) -1;
    cr->size = ngx_file_size(&fi);
    cr->uniq = ngx_file_uniq(&fi);

    ngx_memzero(&keys, sizeof(tk_credentials_t));

    err = tk_aws_ini_parse(&keys, text, (size_t) n,
                           (const char *) cr->profile.data, &line);
    if (err) {
        ngx_log_error(level, log, 0,
                      "credentials: %s in \"%V\" line %ui, profile \"%V\"",
                      err, &cr->path, (ngx_uint_t) line, &cr->profile);
        return NGX_ERROR;
    }

    cr->keys = keys;
    cr->spare = cr->text;
    cr->text = text;

    ngx_memzero(&cr->signing, sizeof(tk_sigv4_key_t));

    return NGX_OK;
}
