
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_throttle.h>


typedef struct {
    ngx_antenna_throttle_t  *throttle;
    ngx_array_t              lists;       /* ngx_antenna_list_t */
    unsigned                 final:1;     /* no rule behind is reached */
} ngx_antenna_throttle_ctx_t;


static char *ngx_antenna_throttle_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_antenna_throttle_list(ngx_conf_t *cf,
    ngx_antenna_throttle_ctx_t *ctx);
static char *ngx_antenna_throttle_rule(ngx_conf_t *cf,
    ngx_antenna_throttle_ctx_t *ctx);
static ngx_int_t ngx_antenna_rule_name(ngx_str_t *name);
static ngx_int_t ngx_antenna_rule_result(ngx_conf_t *cf, ngx_str_t *word,
    ngx_antenna_result_e *result);
static ngx_int_t ngx_antenna_rule_percent(ngx_str_t *word, double *percent);


char *
ngx_antenna_throttle_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    char                         *rv;
    ngx_str_t                    *value;
    ngx_conf_t                    save;
    ngx_array_t                  *throttles;
    ngx_antenna_throttle_t      **throttle;
    ngx_antenna_throttle_ctx_t   *ctx;

    throttles = (ngx_array_t *) (p + cmd->offset);
    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "all") == 0) {
        return "cannot be called \"all\", that is what accepts everything";
    }

    if (ngx_antenna_throttle_find(throttles, &value[1])) {
        return "has the name of another one";
    }

    throttle = ngx_array_push(throttles);
    if (throttle == NULL) {
        return NGX_CONF_ERROR;
    }

    *throttle = ngx_pcalloc(cf->pool, sizeof(ngx_antenna_throttle_t));
    if (*throttle == NULL) {
        return NGX_CONF_ERROR;
    }

    (*throttle)->name = value[1];

    ctx = ngx_pcalloc(cf->temp_pool, sizeof(ngx_antenna_throttle_ctx_t));
    if (ctx == NULL) {
        return NGX_CONF_ERROR;
    }

    ctx->throttle = *throttle;

    if (ngx_array_init(&(*throttle)->rules, cf->pool, 16,
                       sizeof(ngx_antenna_rule_t))
        != NGX_OK
        || ngx_array_init(&ctx->lists, cf->pool, 4, sizeof(ngx_antenna_list_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    save = *cf;
    cf->handler = ngx_antenna_throttle_line;
    cf->handler_conf = (void *) ctx;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if ((*throttle)->rules.nelts == 0) {
        return "has no rules: it would reject every crash";
    }

    return NGX_CONF_OK;
}


ngx_antenna_throttle_t *
ngx_antenna_throttle_find(ngx_array_t *throttles, ngx_str_t *name)
{
    ngx_uint_t                i;
    ngx_antenna_throttle_t  **throttle;

    throttle = throttles->elts;

    for (i = 0; i < throttles->nelts; i++) {
        if (throttle[i]->name.len == name->len
            && ngx_strncmp(throttle[i]->name.data, name->data, name->len) == 0)
        {
            return throttle[i];
        }
    }

    return NULL;
}


static char *
ngx_antenna_throttle_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_antenna_throttle_ctx_t  *ctx = conf;

    char        *rv;
    ngx_str_t   *value;

    value = cf->args->elts;

    if (ngx_strcmp(value[0].data, "include") == 0) {
        if (cf->args->nelts != 2) {
            return "\"include\" takes one file";
        }

        return ngx_conf_include(cf, dummy, conf);
    }

    if (ngx_strcmp(value[0].data, "list") == 0) {
        rv = ngx_antenna_throttle_list(cf, ctx);

    } else if (ngx_strcmp(value[0].data, "rule") == 0) {
        rv = ngx_antenna_throttle_rule(cf, ctx);

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown word \"%V\", \"rule\", \"list\" or "
                           "\"include\" is expected", &value[0]);
        return NGX_CONF_ERROR;
    }

    if (rv != NGX_CONF_OK && rv != NGX_CONF_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" %s", &value[0], rv);
        return NGX_CONF_ERROR;
    }

    return rv;
}


static char *
ngx_antenna_throttle_list(ngx_conf_t *cf, ngx_antenna_throttle_ctx_t *ctx)
{
    ngx_str_t           *value;
    ngx_uint_t           i;
    ngx_antenna_list_t  *list;

    value = cf->args->elts;

    if (cf->args->nelts < 3) {
        return "takes a name and values";
    }

    list = ctx->lists.elts;

    for (i = 0; i < ctx->lists.nelts; i++) {
        if (ngx_strcmp(list[i].name.data, value[1].data) == 0) {
            return "has the name of another one";
        }
    }

    list = ngx_array_push(&ctx->lists);
    if (list == NULL) {
        return NGX_CONF_ERROR;
    }

    list->name = value[1];
    list->values = ngx_antenna_expr_values(cf, value + 2, cf->args->nelts - 2);

    return list->values ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_antenna_throttle_rule(ngx_conf_t *cf, ngx_antenna_throttle_ctx_t *ctx)
{
    char                *rv;
    ngx_uint_t           i;
    ngx_antenna_rule_t  *rule, parsed;

    ngx_memzero(&parsed, sizeof(ngx_antenna_rule_t));

    rv = ngx_antenna_rule_parse(cf, &ctx->lists, &parsed);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rule = ctx->throttle->rules.elts;

    for (i = 0; i < ctx->throttle->rules.nelts; i++) {
        if (rule[i].name.len == parsed.name.len
            && ngx_strcmp(rule[i].name.data, parsed.name.data) == 0)
        {
            return "has the name of another one";
        }
    }

    if (ctx->final) {
        return "is behind one that has no condition, it is never reached";
    }

    if (parsed.expr == NULL
        && parsed.results[0] != NGX_ANTENNA_CONTINUE
        && parsed.results[1] != NGX_ANTENNA_CONTINUE)
    {
        ctx->final = 1;
    }

    rule = ngx_array_push(&ctx->throttle->rules);
    if (rule == NULL) {
        return NGX_CONF_ERROR;
    }

    *rule = parsed;

    return NGX_CONF_OK;
}


/* rule NAME [PERCENT%] RESULT [RESULT] [log TEXT] [if CONDITION] */

char *
ngx_antenna_rule_parse(ngx_conf_t *cf, ngx_array_t *lists,
    ngx_antenna_rule_t *rule)
{
    ngx_str_t                         *value;
    ngx_uint_t                         i, n;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;
    n = cf->args->nelts;
    i = 2;

    if (n < 3) {
        return "takes a name and a result";
    }

    if (ngx_antenna_rule_name(&value[1]) != NGX_OK) {
        return "has a name that is not of letters, digits and \"_\"";
    }

    rule->name = value[1];
    rule->percent = 100;

    if (value[i].len && value[i].data[value[i].len - 1] == '%') {

        if (ngx_antenna_rule_percent(&value[i], &rule->percent) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid percentage \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        if (n < 5) {
            return "with a percentage takes two results, the second is for "
                   "the others";
        }

        i++;
    }

    if (ngx_antenna_rule_result(cf, &value[i++], &rule->results[0])
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    rule->results[1] = rule->results[0];

    if (i == 4
        && ngx_antenna_rule_result(cf, &value[i++], &rule->results[1])
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (i + 1 < n && ngx_strcmp(value[i].data, "log") == 0) {

        rule->log = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
        if (rule->log == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[i + 1];
        ccv.complex_value = rule->log;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        i += 2;
    }

    if (i == n) {
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[i].data, "if") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unexpected \"%V\" in rule \"%V\", \"if\" or the "
                           "end is expected", &value[i], &rule->name);
        return NGX_CONF_ERROR;
    }

    i++;

    rule->expr = ngx_antenna_expr_parse(cf, lists, value + i, n - i);

    return rule->expr ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* these are tags of metrics and in what clients get: ^[a-z0-9_]+$, any case */

static ngx_int_t
ngx_antenna_rule_name(ngx_str_t *name)
{
    u_char      ch;
    ngx_uint_t  i;

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z') {
            continue;
        }

        if ((ch >= '0' && ch <= '9') || ch == '_') {
            continue;
        }

        return NGX_DECLINED;
    }

    return name->len ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_antenna_rule_result(ngx_conf_t *cf, ngx_str_t *word,
    ngx_antenna_result_e *result)
{
    ngx_uint_t  i;

    static ngx_str_t  results[] = {
        ngx_string("accept"),
        ngx_string("defer"),
        ngx_string("reject"),
        ngx_string("fakeaccept"),
        ngx_string("continue")
    };

    for (i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        if (results[i].len == word->len
            && ngx_strncmp(results[i].data, word->data, word->len) == 0)
        {
            *result = (ngx_antenna_result_e) i;
            return NGX_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid result \"%V\", it must be \"accept\", "
                       "\"defer\", \"reject\", \"fakeaccept\" or "
                       "\"continue\"", word);

    return NGX_ERROR;
}


/* up to three digits behind the point */

static ngx_int_t
ngx_antenna_rule_percent(ngx_str_t *word, double *percent)
{
    ngx_int_t  n;

    n = ngx_atofp(word->data, word->len - 1, 3);

    if (n == NGX_ERROR || n > 100000) {
        return NGX_ERROR;
    }

    *percent = (double) n / 1000;

    return NGX_OK;
}
