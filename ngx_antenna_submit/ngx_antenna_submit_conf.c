
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_submit.h>


#define NGX_ANTENNA_TOKENS_SIZE  65536


static ngx_int_t ngx_antenna_conf_tokens(ngx_conf_t *cf,
    ngx_antenna_submit_loc_conf_t *alcf, ngx_str_t *name);
static ngx_int_t ngx_antenna_conf_token(ngx_array_t *tokens, u_char *p,
    u_char *last);
static char *ngx_antenna_conf_needs(ngx_conf_t *cf,
    ngx_antenna_submit_loc_conf_t *alcf, const char *name);


static tk_str_t  ngx_antenna_personal[] = {
    tk_string("Email"),
    tk_string("TelemetryClientId"),
    tk_string("TelemetryServerURL"),
    tk_string("TelemetrySessionId")
};

#define NGX_ANTENNA_PERSONAL  (sizeof(ngx_antenna_personal)                   \
                               / sizeof(ngx_antenna_personal[0]))


/* what the parser of forms is told, the rules that judge */

char *
ngx_antenna_submit_merge_form(ngx_conf_t *cf,
    ngx_antenna_submit_loc_conf_t *alcf)
{
    ngx_uint_t                       i;
    tk_str_t                        *name;
    tk_crash_conf_t                 *form;
    ngx_antenna_submit_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_antenna_submit_module);

    form = &alcf->form;

    form->strict = (alcf->strict != 0);
    form->dialect_2018 = (alcf->dialect == NGX_ANTENNA_DIALECT_2018);
    form->dumps = (uint32_t) alcf->dumps;
    form->large = NGX_ANTENNA_TURN;

    form->form.parts = (uint32_t) alcf->parts;
    form->form.headers = (uint32_t) alcf->part_headers;
    form->form.headers_size = (uint32_t) alcf->part_headers_size;

    form->annotations.max = alcf->annotation_size;
    form->annotations.total = alcf->annotations_size;
    form->annotations.names = (uint32_t) alcf->annotations;
    form->annotations.depth = (uint32_t) alcf->json_depth;

    if (alcf->removed == NULL) {
        alcf->removed = ngx_array_create(cf->pool, NGX_ANTENNA_PERSONAL,
                                         sizeof(tk_str_t));
        if (alcf->removed == NULL) {
            return NGX_CONF_ERROR;
        }

        for (i = 0; i < NGX_ANTENNA_PERSONAL; i++) {
            name = ngx_array_push(alcf->removed);
            *name = ngx_antenna_personal[i];
        }
    }

    if (alcf->throttle_name.len == 3
        && ngx_strncmp(alcf->throttle_name.data, "all", 3) == 0)
    {
        return NGX_CONF_OK;
    }

    alcf->throttle = ngx_antenna_throttle_find(&amcf->throttles,
                                               &alcf->throttle_name);
    if (alcf->throttle == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "there are no \"antenna_throttle_rules\" called \"%V\", "
                      "as \"antenna_submit\" in %s:%ui is to use",
                      &alcf->throttle_name, alcf->file_name, alcf->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_antenna_submit_merge_spool(ngx_conf_t *cf,
    ngx_antenna_submit_loc_conf_t *alcf)
{
    ngx_antenna_spool_t             *spool;
    ngx_tecken_main_conf_t          *tmcf;
    ngx_antenna_submit_main_conf_t  *amcf;

    if (alcf->spool_path.len == 0) {
        return ngx_antenna_conf_needs(cf, alcf, "antenna_spool");
    }

    if (alcf->store_to.len == 0) {
        return ngx_antenna_conf_needs(cf, alcf, "antenna_store_to");
    }

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_antenna_submit_module);

    spool = ngx_pcalloc(cf->pool, sizeof(ngx_antenna_spool_t));
    if (spool == NULL) {
        return NGX_CONF_ERROR;
    }

    spool->path = alcf->spool_path;
    spool->sync = alcf->spool_sync;
    spool->max_size = alcf->spool_max_size;
    spool->min_free = alcf->spool_min_free;
    spool->layout = alcf->layout;
    spool->crashmovers = alcf->crashmovers;
    spool->retry_max = alcf->retry_max;
    spool->file_name = alcf->file_name;
    spool->line = alcf->line;

    if (ngx_strcmp(alcf->store_to.data, "off") != 0) {
        spool->storage = ngx_tecken_storage_find(tmcf, &alcf->store_to);

        if (spool->storage == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "there is no \"tecken_storage\" called \"%V\", "
                          "where \"antenna_submit\" in %s:%ui is to store",
                          &alcf->store_to, alcf->file_name, alcf->line);
            return NGX_CONF_ERROR;
        }

        if (spool->storage->type == NGX_TECKEN_STORAGE_FILE) {
            spool->layout = TK_CRASH_TREE;
        }
    }

    alcf->spool = ngx_antenna_spool_add(cf, &amcf->spools, spool);

    return alcf->spool ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_antenna_conf_needs(ngx_conf_t *cf, ngx_antenna_submit_loc_conf_t *alcf,
    const char *name)
{
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"antenna_submit\" needs \"%s\" in %s:%ui", name,
                  alcf->file_name, alcf->line);

    return NGX_CONF_ERROR;
}


/* antenna_annotation_alias FROM TO; */

char *
ngx_antenna_conf_alias(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_antenna_submit_loc_conf_t *alcf = conf;

    ngx_str_t            *value;
    ngx_uint_t            i;
    ngx_antenna_alias_t  *alias;

    value = cf->args->elts;

    if (alcf->aliases == NGX_CONF_UNSET_PTR) {
        alcf->aliases = ngx_array_create(cf->pool, 4,
                                         sizeof(ngx_antenna_alias_t));
        if (alcf->aliases == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    alias = alcf->aliases->elts;

    for (i = 0; i < alcf->aliases->nelts; i++) {
        if (ngx_strcmp(alias[i].from.data, value[1].data) == 0) {
            return "is duplicate";
        }
    }

    alias = ngx_array_push(alcf->aliases);
    if (alias == NULL) {
        return NGX_CONF_ERROR;
    }

    alias->from.data = value[1].data;
    alias->from.len = value[1].len;
    alias->to.data = value[2].data;
    alias->to.len = value[2].len;

    return NGX_CONF_OK;
}


/* antenna_client_crash_id accept | ignore | bearer=FILE */

char *
ngx_antenna_conf_client_id(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_antenna_submit_loc_conf_t *alcf = conf;

    ngx_str_t  *value, name;

    if (alcf->client_id != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "accept") == 0) {
        alcf->client_id = NGX_ANTENNA_ID_ACCEPT;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "ignore") == 0) {
        alcf->client_id = NGX_ANTENNA_ID_IGNORE;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[1].data, "bearer=", 7) != 0 || value[1].len == 7) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\", it is to be \"accept\", "
                           "\"ignore\" or \"bearer=FILE\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    alcf->client_id = NGX_ANTENNA_ID_BEARER;

    name.data = value[1].data + 7;
    name.len = value[1].len - 7;

    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK
        || ngx_antenna_conf_tokens(cf, alcf, &name) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* one token a line; blank lines and those that begin with "#" are skipped */

static ngx_int_t
ngx_antenna_conf_tokens(ngx_conf_t *cf, ngx_antenna_submit_loc_conf_t *alcf,
    ngx_str_t *name)
{
    u_char     *buf, *p, *last, *end;
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_int_t   rc;

    alcf->tokens = ngx_array_create(cf->pool, 2, sizeof(ngx_antenna_token_t));
    if (alcf->tokens == NULL) {
        return NGX_ERROR;
    }

    buf = ngx_alloc(NGX_ANTENNA_TOKENS_SIZE, cf->log);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", name);
        ngx_free(buf);
        return NGX_ERROR;
    }

    n = ngx_read_fd(fd, buf, NGX_ANTENNA_TOKENS_SIZE);

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_read_fd_n " \"%V\" failed", name);
    }

    if (n == NGX_ANTENNA_TOKENS_SIZE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is too large for a file of tokens", name);
        n = -1;
    }

    (void) ngx_close_file(fd);

    rc = (n == -1) ? NGX_ERROR : NGX_OK;
    end = buf + ngx_max(n, 0);

    for (p = buf; p < end && rc == NGX_OK; p = last + 1) {

        last = ngx_strlchr(p, end, LF);
        if (last == NULL) {
            last = end;
        }

        rc = ngx_antenna_conf_token(alcf->tokens, p, last);
    }

    ngx_explicit_memzero(buf, NGX_ANTENNA_TOKENS_SIZE);
    ngx_free(buf);

    if (rc == NGX_OK && alcf->tokens->nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "there is no token in \"%V\"", name);
        return NGX_ERROR;
    }

    return rc;
}


/* what is kept tells nobody the token, nor how long it takes to compare */

static ngx_int_t
ngx_antenna_conf_token(ngx_array_t *tokens, u_char *p, u_char *last)
{
    ngx_antenna_token_t  *token;

    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    while (p < last && (last[-1] == ' ' || last[-1] == '\t'
                        || last[-1] == CR))
    {
        last--;
    }

    if (p == last || *p == '#') {
        return NGX_OK;
    }

    token = ngx_array_push(tokens);
    if (token == NULL) {
        return NGX_ERROR;
    }

    tk_sha256(token->sha256, p, last - p);

    return NGX_OK;
}


/* antenna_remove_annotations NAME ... | off */

char *
ngx_antenna_conf_remove(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_antenna_submit_loc_conf_t *alcf = conf;

    tk_str_t    *name;
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (alcf->removed != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    alcf->removed = ngx_array_create(cf->pool, 4, sizeof(tk_str_t));
    if (alcf->removed == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        name = ngx_array_push(alcf->removed);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        name->data = value[i].data;
        name->len = value[i].len;
    }

    return NGX_CONF_OK;
}


/* antenna_spool DIR */

char *
ngx_antenna_conf_spool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_antenna_submit_loc_conf_t *alcf = conf;

    ngx_str_t  *value, *path;

    path = &alcf->spool_path;

    if (path->len) {
        return "is duplicate";
    }

    value = cf->args->elts;
    *path = value[1];

    if (path->len == 0) {
        return "must not be empty";
    }

    if (ngx_conf_full_name(cf->cycle, path, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    while (path->len > 1 && path->data[path->len - 1] == '/') {
        path->len--;
    }

    path->data[path->len] = '\0';

    if (path->len == 1) {
        return "must not be the root directory";
    }

    return NGX_CONF_OK;
}


/* antenna_log FILE | stderr | off */

char *
ngx_antenna_conf_log(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_antenna_submit_main_conf_t *amcf = conf;

    ngx_str_t  *value, name;

    if (amcf->log_set) {
        return "is duplicate";
    }

    amcf->log_set = 1;
    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "stderr") == 0) {
        ngx_str_null(&name);
        amcf->log = ngx_conf_open_file(cf->cycle, &name);

    } else {
        amcf->log = ngx_conf_open_file(cf->cycle, &value[1]);
    }

    return amcf->log ? NGX_CONF_OK : NGX_CONF_ERROR;
}
