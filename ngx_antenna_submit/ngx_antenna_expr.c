
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_throttle.h>


/*
 * condition:  or
 * or:         and { "or" and }
 * and:        not { "and" not }
 * not:        "not" not | "(" or ")" | test
 * test:       WHAT "exists"
 *             WHAT ( "=" | "!=" ) VALUE
 *             WHAT [ "not" ] "in" ( LIST | "(" VALUE ... ")" )
 *             WHAT ( "~" | "~*" | "!~" | "!~*" ) REGEX
 *             WHAT ( "<" | "<=" | ">" | ">=" ) NUMBER
 *             WHAT ( "version" | "text" ) ( "<" | "<=" | ">" | ">=" ) VALUE
 *             WHAT "older" TIME
 */


#define NGX_ANTENNA_EXPR_DEPTH  32


typedef struct {
    ngx_conf_t     *cf;
    ngx_array_t    *lists;
    ngx_str_t      *word;         /* the next one */
    ngx_str_t      *last;
    ngx_uint_t      depth;
} ngx_antenna_parse_t;


typedef struct {
    ngx_str_t       name;
    ngx_uint_t      relation;
} ngx_antenna_relation_t;


static ngx_antenna_expr_t *ngx_antenna_parse_or(ngx_antenna_parse_t *p);
static ngx_antenna_expr_t *ngx_antenna_parse_and(ngx_antenna_parse_t *p);
static ngx_antenna_expr_t *ngx_antenna_parse_not(ngx_antenna_parse_t *p);
static ngx_antenna_expr_t *ngx_antenna_parse_test(ngx_antenna_parse_t *p);
static ngx_int_t ngx_antenna_parse_what(ngx_antenna_parse_t *p,
    ngx_antenna_expr_t *expr);
static ngx_antenna_expr_t *ngx_antenna_parse_how(ngx_antenna_parse_t *p,
    ngx_antenna_expr_t *expr);
static ngx_antenna_expr_t *ngx_antenna_parse_in(ngx_antenna_parse_t *p,
    ngx_antenna_expr_t *expr);
static ngx_antenna_expr_t *ngx_antenna_parse_regex(ngx_antenna_parse_t *p,
    ngx_antenna_expr_t *expr, ngx_uint_t caseless);
static ngx_antenna_expr_t *ngx_antenna_parse_compare(ngx_antenna_parse_t *p,
    ngx_antenna_expr_t *expr, ngx_antenna_op_e op);
static ngx_antenna_expr_t *ngx_antenna_parse_older(ngx_antenna_parse_t *p,
    ngx_antenna_expr_t *expr);
static ngx_antenna_expr_t *ngx_antenna_parse_binary(ngx_antenna_parse_t *p,
    ngx_antenna_op_e op, ngx_antenna_expr_t *left, ngx_antenna_expr_t *right);
static ngx_uint_t ngx_antenna_parse_next(ngx_antenna_parse_t *p,
    const char *word);
static ngx_str_t *ngx_antenna_parse_value(ngx_antenna_parse_t *p,
    const char *name);
static ngx_http_complex_value_t *ngx_antenna_parse_complex(ngx_conf_t *cf,
    ngx_str_t *text, ngx_http_complex_value_t *cv);


static ngx_antenna_relation_t  ngx_antenna_relations[] = {
    { ngx_string("<"), NGX_ANTENNA_LESS },
    { ngx_string("<="), NGX_ANTENNA_LESS|NGX_ANTENNA_EQUAL },
    { ngx_string(">"), NGX_ANTENNA_GREATER },
    { ngx_string(">="), NGX_ANTENNA_GREATER|NGX_ANTENNA_EQUAL },
    { ngx_null_string, 0 }
};


ngx_antenna_expr_t *
ngx_antenna_expr_parse(ngx_conf_t *cf, ngx_array_t *lists, ngx_str_t *args,
    ngx_uint_t n)
{
    ngx_antenna_expr_t   *expr;
    ngx_antenna_parse_t   p;

    p.cf = cf;
    p.lists = lists;
    p.word = args;
    p.last = args + n;
    p.depth = 0;

    expr = ngx_antenna_parse_or(&p);

    if (expr && p.word < p.last) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unexpected \"%V\" in a condition, \"and\", \"or\" "
                           "or the end is expected", p.word);
        return NULL;
    }

    return expr;
}


static ngx_antenna_expr_t *
ngx_antenna_parse_or(ngx_antenna_parse_t *p)
{
    ngx_antenna_expr_t  *expr;

    expr = ngx_antenna_parse_and(p);

    while (expr && ngx_antenna_parse_next(p, "or")) {
        expr = ngx_antenna_parse_binary(p, NGX_ANTENNA_OR, expr,
                                        ngx_antenna_parse_and(p));
    }

    return expr;
}


static ngx_antenna_expr_t *
ngx_antenna_parse_and(ngx_antenna_parse_t *p)
{
    ngx_antenna_expr_t  *expr;

    expr = ngx_antenna_parse_not(p);

    while (expr && ngx_antenna_parse_next(p, "and")) {
        expr = ngx_antenna_parse_binary(p, NGX_ANTENNA_AND, expr,
                                        ngx_antenna_parse_not(p));
    }

    return expr;
}


static ngx_antenna_expr_t *
ngx_antenna_parse_not(ngx_antenna_parse_t *p)
{
    ngx_antenna_expr_t  *expr;

    if (p->depth == NGX_ANTENNA_EXPR_DEPTH) {
        ngx_conf_log_error(NGX_LOG_EMERG, p->cf, 0,
                           "a condition has too many \"(\" and \"not\" within "
                           "each other");
        return NULL;
    }

    p->depth++;

    if (ngx_antenna_parse_next(p, "not")) {
        expr = ngx_antenna_parse_not(p);

        if (expr) {
            expr = ngx_antenna_parse_binary(p, NGX_ANTENNA_NOT, expr, expr);
        }

    } else if (ngx_antenna_parse_next(p, "(")) {
        expr = ngx_antenna_parse_or(p);

        if (expr && !ngx_antenna_parse_next(p, ")")) {
            ngx_conf_log_error(NGX_LOG_EMERG, p->cf, 0,
                               "no \")\" for a \"(\" in a condition");
            return NULL;
        }

    } else {
        expr = ngx_antenna_parse_test(p);
    }

    p->depth--;

    return expr;
}


static ngx_antenna_expr_t *
ngx_antenna_parse_test(ngx_antenna_parse_t *p)
{
    ngx_uint_t           negative;
    ngx_antenna_expr_t  *expr;

    expr = ngx_pcalloc(p->cf->pool, sizeof(ngx_antenna_expr_t));
    if (expr == NULL) {
        return NULL;
    }

    if (ngx_antenna_parse_what(p, expr) != NGX_OK) {
        return NULL;
    }

    negative = 0;

    if (p->word < p->last) {

        if (ngx_strcmp(p->word->data, "not") == 0) {
            negative = 1;
            p->word++;

        } else if (p->word->len > 1 && p->word->data[0] == '!') {
            negative = 1;
            p->word->data++;
            p->word->len--;
        }
    }

    expr = ngx_antenna_parse_how(p, expr);

    if (expr && negative) {
        expr = ngx_antenna_parse_binary(p, NGX_ANTENNA_NOT, expr, expr);
    }

    return expr;
}


/* NAME, NAME:MEMBER.MEMBER or a text with variables */

static ngx_int_t
ngx_antenna_parse_what(ngx_antenna_parse_t *p, ngx_antenna_expr_t *expr)
{
    u_char     *colon, *last;
    ngx_str_t  *word;

    word = ngx_antenna_parse_value(p, "an annotation");
    if (word == NULL) {
        return NGX_ERROR;
    }

    last = word->data + word->len;

    if (ngx_strlchr(word->data, last, '$')) {
        expr->variable = ngx_antenna_parse_complex(p->cf, word, NULL);
        return expr->variable ? NGX_OK : NGX_ERROR;
    }

    expr->annotation = *word;

    colon = ngx_strlchr(word->data, last, ':');

    if (colon) {
        expr->annotation.len = colon - word->data;
        expr->path.data = colon + 1;
        expr->path.len = last - expr->path.data;

        if (expr->annotation.len == 0 || expr->path.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, p->cf, 0,
                               "invalid \"%V\" in a condition, it must be "
                               "ANNOTATION:MEMBER", word);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_antenna_expr_t *
ngx_antenna_parse_how(ngx_antenna_parse_t *p, ngx_antenna_expr_t *expr)
{
    ngx_str_t  *value;

    if (ngx_antenna_parse_next(p, "exists")) {
        expr->op = NGX_ANTENNA_EXISTS;
        return expr;
    }

    if (ngx_antenna_parse_next(p, "in")) {
        return ngx_antenna_parse_in(p, expr);
    }

    if (ngx_antenna_parse_next(p, "=")) {
        expr->op = NGX_ANTENNA_IN;

        value = ngx_antenna_parse_value(p, "a value");
        if (value == NULL) {
            return NULL;
        }

        expr->list = ngx_antenna_expr_values(p->cf, value, 1);
        return expr->list ? expr : NULL;
    }

    if (ngx_antenna_parse_next(p, "~")) {
        return ngx_antenna_parse_regex(p, expr, 0);
    }

    if (ngx_antenna_parse_next(p, "~*")) {
        return ngx_antenna_parse_regex(p, expr, 1);
    }

    if (ngx_antenna_parse_next(p, "older")) {
        return ngx_antenna_parse_older(p, expr);
    }

    if (ngx_antenna_parse_next(p, "version")) {
        return ngx_antenna_parse_compare(p, expr, NGX_ANTENNA_VERSION);
    }

    if (ngx_antenna_parse_next(p, "text")) {
        return ngx_antenna_parse_compare(p, expr, NGX_ANTENNA_TEXT);
    }

    return ngx_antenna_parse_compare(p, expr, NGX_ANTENNA_NUMBER);
}


static ngx_antenna_expr_t *
ngx_antenna_parse_in(ngx_antenna_parse_t *p, ngx_antenna_expr_t *expr)
{
    ngx_str_t           *name, *first;
    ngx_uint_t           i;
    ngx_antenna_list_t  *list;

    expr->op = NGX_ANTENNA_IN;

    name = ngx_antenna_parse_value(p, "a list");
    if (name == NULL) {
        return NULL;
    }

    if (ngx_strcmp(name->data, "(") == 0) {
        first = p->word;

        while (p->word < p->last) {

            if (ngx_antenna_parse_next(p, ")")) {
                expr->list = ngx_antenna_expr_values(p->cf, first,
                                                     p->word - 1 - first);
                return expr->list ? expr : NULL;
            }

            p->word++;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, p->cf, 0,
                           "no \")\" behind the values of \"in\"");
        return NULL;
    }

    list = p->lists->elts;

    for (i = 0; i < p->lists->nelts; i++) {
        if (ngx_strcmp(list[i].name.data, name->data) == 0) {
            expr->list = list[i].values;
            return expr;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, p->cf, 0,
                       "unknown list \"%V\", a list must stand before the "
                       "rules that use it", name);

    return NULL;
}


static ngx_antenna_expr_t *
ngx_antenna_parse_regex(ngx_antenna_parse_t *p, ngx_antenna_expr_t *expr,
    ngx_uint_t caseless)
{
#if (NGX_PCRE)
    ngx_str_t  *value;

    value = ngx_antenna_parse_value(p, "a regular expression");
    if (value == NULL) {
        return NULL;
    }

    expr->op = NGX_ANTENNA_REGEX;

    return ngx_antenna_look_compile(p->cf, expr, value, caseless) == NGX_OK
           ? expr : NULL;

#else

    ngx_conf_log_error(NGX_LOG_EMERG, p->cf, 0,
                       "the \"~\" of a condition requires PCRE library");
    return NULL;

#endif
}


static ngx_antenna_expr_t *
ngx_antenna_parse_compare(ngx_antenna_parse_t *p, ngx_antenna_expr_t *expr,
    ngx_antenna_op_e op)
{
    ngx_int_t                number;
    ngx_str_t               *word, *value, digits;
    ngx_antenna_relation_t  *rel;

    word = ngx_antenna_parse_value(p, "a test");
    if (word == NULL) {
        return NULL;
    }

    for (rel = ngx_antenna_relations; rel->name.len; rel++) {
        if (rel->name.len == word->len
            && ngx_strncmp(rel->name.data, word->data, word->len) == 0)
        {
            break;
        }
    }

    if (rel->name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, p->cf, 0,
                           "unknown test \"%V\" in a condition", word);
        return NULL;
    }

    value = ngx_antenna_parse_value(p, "a value");
    if (value == NULL) {
        return NULL;
    }

    expr->op = op;
    expr->relation = rel->relation;

    if (op != NGX_ANTENNA_NUMBER) {
        expr->list = ngx_antenna_expr_values(p->cf, value, 1);
        return expr->list ? expr : NULL;
    }

    digits = *value;

    if (digits.len && digits.data[0] == '-') {
        digits.data++;
        digits.len--;
    }

    number = ngx_atofp(digits.data, digits.len, 3);

    if (number == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, p->cf, 0,
                           "invalid number \"%V\" in a condition; for other "
                           "values there are \"text %V\" and \"version %V\"",
                           value, word, word);
        return NULL;
    }

    expr->number = (double) number / 1000;

    if (value->data[0] == '-') {
        expr->number = -expr->number;
    }

    return expr;
}


static ngx_antenna_expr_t *
ngx_antenna_parse_older(ngx_antenna_parse_t *p, ngx_antenna_expr_t *expr)
{
    ngx_str_t  *value;

    value = ngx_antenna_parse_value(p, "a time");
    if (value == NULL) {
        return NULL;
    }

    expr->op = NGX_ANTENNA_OLDER;
    expr->age = ngx_parse_time(value, 1);

    if (expr->age == (time_t) NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, p->cf, 0,
                           "invalid time \"%V\" in a condition", value);
        return NULL;
    }

    return expr;
}


/* right is NULL if it is wrong */

static ngx_antenna_expr_t *
ngx_antenna_parse_binary(ngx_antenna_parse_t *p, ngx_antenna_op_e op,
    ngx_antenna_expr_t *left, ngx_antenna_expr_t *right)
{
    ngx_antenna_expr_t  *expr;

    if (right == NULL) {
        return NULL;
    }

    expr = ngx_pcalloc(p->cf->pool, sizeof(ngx_antenna_expr_t));
    if (expr == NULL) {
        return NULL;
    }

    expr->op = op;
    expr->left = left;
    expr->right = right;

    return expr;
}


static ngx_uint_t
ngx_antenna_parse_next(ngx_antenna_parse_t *p, const char *word)
{
    size_t  len;

    len = ngx_strlen(word);

    if (p->word == p->last || p->word->len != len
        || ngx_strncmp(p->word->data, word, len) != 0)
    {
        return 0;
    }

    p->word++;

    return 1;
}


static ngx_str_t *
ngx_antenna_parse_value(ngx_antenna_parse_t *p, const char *name)
{
    if (p->word == p->last) {
        ngx_conf_log_error(NGX_LOG_EMERG, p->cf, 0,
                           "unexpected end of a condition, %s is expected",
                           name);
        return NULL;
    }

    return p->word++;
}


ngx_array_t *
ngx_antenna_expr_values(ngx_conf_t *cf, ngx_str_t *values, ngx_uint_t n)
{
    ngx_uint_t                 i;
    ngx_array_t               *array;
    ngx_http_complex_value_t  *cv;

    array = ngx_array_create(cf->pool, n ? n : 1,
                             sizeof(ngx_http_complex_value_t));
    if (array == NULL) {
        return NULL;
    }

    for (i = 0; i < n; i++) {
        cv = ngx_array_push(array);
        if (cv == NULL) {
            return NULL;
        }

        if (ngx_antenna_parse_complex(cf, &values[i], cv) == NULL) {
            return NULL;
        }
    }

    return array;
}


static ngx_http_complex_value_t *
ngx_antenna_parse_complex(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_complex_value_t *cv)
{
    ngx_http_compile_complex_value_t  ccv;

    if (cv == NULL) {
        cv = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
        if (cv == NULL) {
            return NULL;
        }
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = text;
    ccv.complex_value = cv;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NULL;
    }

    return cv;
}
