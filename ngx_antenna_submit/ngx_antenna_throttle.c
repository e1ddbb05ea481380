
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_throttle.h>
#include <tk_json_path.h>
#include <tk_version.h>


static ngx_int_t ngx_antenna_expr(ngx_antenna_judge_t *judge,
    ngx_antenna_expr_t *expr);
static ngx_int_t ngx_antenna_expr_test(ngx_antenna_judge_t *judge,
    ngx_antenna_expr_t *expr, ngx_str_t *value, ngx_antenna_look_t *look);
static ngx_int_t ngx_antenna_expr_operand(ngx_antenna_judge_t *judge,
    ngx_antenna_expr_t *expr, ngx_str_t *value);
static ngx_int_t ngx_antenna_expr_in(ngx_antenna_judge_t *judge,
    ngx_antenna_expr_t *expr, ngx_str_t *value);
static ngx_int_t ngx_antenna_expr_compare(ngx_antenna_judge_t *judge,
    ngx_antenna_expr_t *expr, ngx_str_t *value);
static ngx_int_t ngx_antenna_number(ngx_str_t *text, double *number);
static ngx_int_t ngx_antenna_build_time(ngx_str_t *id, time_t *sec);


static ngx_str_t  ngx_antenna_no_rules = ngx_string("accept_everything");
static ngx_str_t  ngx_antenna_no_match = ngx_string("NO_MATCH");


ngx_int_t
ngx_antenna_throttle(ngx_antenna_throttle_t *throttle,
    ngx_antenna_judge_t *judge)
{
    ngx_int_t              rc;
    ngx_antenna_rule_t    *rule;
    ngx_antenna_result_e   result;

    ngx_str_null(&judge->log);

    if (throttle == NULL) {
        judge->result = NGX_ANTENNA_ACCEPT;
        judge->rule = ngx_antenna_no_rules;
        judge->percentage = 100;
        return NGX_OK;
    }

    /* after a look the same rule again, which finds what was seen */

    for ( /* void */ ; judge->n < throttle->rules.nelts; judge->n++) {

        rule = (ngx_antenna_rule_t *) throttle->rules.elts + judge->n;

        if (rule->expr) {
            rc = ngx_antenna_expr(judge, rule->expr);

            if (rc == NGX_AGAIN) {
                return NGX_AGAIN;
            }

            ngx_antenna_look_free(judge);

            if (rc == NGX_ERROR) {
                return NGX_ERROR;
            }

            if (rc == NGX_DECLINED) {
                continue;
            }
        }

        result = rule->results[0];

        if (rule->percent < 100
            && ngx_antenna_random(judge->random) * 100 > rule->percent)
        {
            result = rule->results[1];
        }

        if (result == NGX_ANTENNA_CONTINUE) {
            continue;
        }

        judge->result = result;
        judge->rule = rule->name;
        judge->percentage = (ngx_uint_t) rule->percent;

        if (rule->log) {
            return ngx_http_complex_value(judge->request, rule->log,
                                          &judge->log);
        }

        return NGX_OK;
    }

    judge->result = NGX_ANTENNA_REJECT;
    judge->rule = ngx_antenna_no_match;
    judge->percentage = 0;

    return NGX_OK;
}


/* NGX_OK: it holds; NGX_DECLINED: it does not; NGX_AGAIN: after a look */

static ngx_int_t
ngx_antenna_expr(ngx_antenna_judge_t *judge, ngx_antenna_expr_t *expr)
{
    ngx_int_t            rc;
    ngx_str_t            value;
    ngx_antenna_look_t  *look;

    switch (expr->op) {

    case NGX_ANTENNA_AND:
        rc = ngx_antenna_expr(judge, expr->left);
        return rc == NGX_OK ? ngx_antenna_expr(judge, expr->right) : rc;

    case NGX_ANTENNA_OR:
        rc = ngx_antenna_expr(judge, expr->left);
        return rc == NGX_DECLINED ? ngx_antenna_expr(judge, expr->right) : rc;

    case NGX_ANTENNA_NOT:
        rc = ngx_antenna_expr(judge, expr->left);

        if (rc == NGX_ERROR || rc == NGX_AGAIN) {
            return rc;
        }

        return rc == NGX_OK ? NGX_DECLINED : NGX_OK;

    default:
        break;
    }

    look = ngx_antenna_look_find(judge, expr);

    if (look) {
        rc = look->rc;
        value = look->text;

    } else {
        rc = ngx_antenna_expr_operand(judge, expr, &value);
    }

    /* what is missing reads as empty text, as in the rules of the original */

    if ((rc == NGX_OK || rc == NGX_DECLINED)
        && expr->op != NGX_ANTENNA_EXISTS)
    {
        rc = ngx_antenna_expr_test(judge, expr, &value, look);
    }

    /* a member's room is that of the whole annotation */

    if (expr->path.len && look == NULL && rc != NGX_AGAIN) {
        (void) ngx_pfree(judge->request->pool, value.data);
    }

    return rc;
}


static ngx_int_t
ngx_antenna_expr_test(ngx_antenna_judge_t *judge, ngx_antenna_expr_t *expr,
    ngx_str_t *value, ngx_antenna_look_t *look)
{
    switch (expr->op) {

    case NGX_ANTENNA_IN:
        return ngx_antenna_expr_in(judge, expr, value);

#if (NGX_PCRE)
    case NGX_ANTENNA_REGEX:
        return ngx_antenna_look_regex(judge, expr, value, look);
#endif

    default:
        return ngx_antenna_expr_compare(judge, expr, value);
    }
}


/* NGX_OK, or NGX_DECLINED and *value is empty if there is no such thing */

static ngx_int_t
ngx_antenna_expr_operand(ngx_antenna_judge_t *judge, ngx_antenna_expr_t *expr,
    ngx_str_t *value)
{
    ngx_int_t  rc;

    if (expr->variable) {
        if (ngx_http_complex_value(judge->request, expr->variable, value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        return value->len ? NGX_OK : NGX_DECLINED;
    }

    rc = judge->annotation(judge->data, &expr->annotation, value);

    if (rc == NGX_OK && expr->path.len) {
        rc = ngx_antenna_look_member(judge, expr, value);

        if (rc == NGX_DECLINED) {
            (void) ngx_pfree(judge->request->pool, value->data);
        }
    }

    if (rc == NGX_DECLINED) {
        ngx_str_set(value, "");
    }

    return rc;
}


static ngx_int_t
ngx_antenna_expr_in(ngx_antenna_judge_t *judge, ngx_antenna_expr_t *expr,
    ngx_str_t *value)
{
    ngx_str_t                  text;
    ngx_uint_t                 i;
    ngx_http_complex_value_t  *cv;

    cv = expr->list->elts;

    for (i = 0; i < expr->list->nelts; i++) {
        if (ngx_http_complex_value(judge->request, &cv[i], &text) != NGX_OK) {
            return NGX_ERROR;
        }

        if (text.len == value->len
            && ngx_memcmp(text.data, value->data, text.len) == 0)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_antenna_expr_compare(ngx_antenna_judge_t *judge, ngx_antenna_expr_t *expr,
    ngx_str_t *value)
{
    int                        rc;
    double                     number;
    time_t                     sec;
    tk_str_t                   a, b;
    ngx_str_t                  text;
    ngx_uint_t                 relation;
    ngx_http_complex_value_t  *cv;

    if (expr->op == NGX_ANTENNA_OLDER) {
        if (ngx_antenna_build_time(value, &sec) != NGX_OK) {
            return NGX_DECLINED;
        }

        return sec < judge->now - expr->age ? NGX_OK : NGX_DECLINED;
    }

    if (expr->op == NGX_ANTENNA_NUMBER) {
        if (ngx_antenna_number(value, &number) != NGX_OK) {
            return NGX_DECLINED;
        }

        rc = (number > expr->number) - (number < expr->number);

    } else {
        if (value->len == 0) {
            return NGX_DECLINED;
        }

        cv = expr->list->elts;

        if (ngx_http_complex_value(judge->request, cv, &text) != NGX_OK) {
            return NGX_ERROR;
        }

        if (expr->op == NGX_ANTENNA_VERSION) {
            a.len = value->len;
            a.data = value->data;
            b.len = text.len;
            b.data = text.data;

            rc = tk_version_cmp(a, b);

        } else {
            rc = (int) ngx_memn2cmp(value->data, text.data, value->len,
                                    text.len);
        }
    }

    relation = rc < 0 ? NGX_ANTENNA_LESS
                      : rc ? NGX_ANTENNA_GREATER : NGX_ANTENNA_EQUAL;

    return (expr->relation & relation) ? NGX_OK : NGX_DECLINED;
}


/* [-]digits[.digits], of 300 digits at most */

static ngx_int_t
ngx_antenna_number(ngx_str_t *text, double *number)
{
    double       n, scale;
    u_char      *p, *last;
    ngx_uint_t   digits;

    p = text->data;
    last = p + text->len;

    if (text->len > 300) {
        return NGX_ERROR;
    }

    if (p < last && *p == '-') {
        p++;
    }

    n = 0;
    scale = 0;
    digits = 0;

    for ( /* void */ ; p < last; p++) {

        if (*p == '.' && scale == 0 && digits) {
            scale = 1;
            digits = 0;
            continue;
        }

        if (*p < '0' || *p > '9') {
            return NGX_ERROR;
        }

        n = n * 10 + (*p - '0');
        scale *= 10;
        digits++;
    }

    if (digits == 0) {
        return NGX_ERROR;
    }

    if (scale > 1) {
        n /= scale;
    }

    *number = text->data[0] == '-' ? -n : n;

    return NGX_OK;
}


/* YYYYMMDDhhmmss, of which the date counts; NGX_DECLINED if it is not that */

static ngx_int_t
ngx_antenna_build_time(ngx_str_t *id, time_t *sec)
{
    ngx_int_t   year, month, day, days;
    ngx_uint_t  i;

    static u_char  mdays[] = { 31, 28, 31, 30, 31, 30,
                               31, 31, 30, 31, 30, 31 };

    if (id->len != 14 || id->data[0] != '2' || id->data[1] != '0') {
        return NGX_DECLINED;
    }

    for (i = 2; i < 14; i++) {
        if (id->data[i] < '0' || id->data[i] > '9') {
            return NGX_DECLINED;
        }
    }

    year = ngx_atoi(id->data, 4);
    month = ngx_atoi(id->data + 4, 2);
    day = ngx_atoi(id->data + 6, 2);

    if (month < 1 || month > 12 || day < 1) {
        return NGX_DECLINED;
    }

    /* there is no other leap year rule from 2000 to 2099 */

    if (day > mdays[month - 1] + (month == 2 && year % 4 == 0)) {
        return NGX_DECLINED;
    }

    /* Gauss' formula for days since March 1, as in ngx_parse_http_time() */

    month -= 2;

    if (month <= 0) {
        month += 12;
        year -= 1;
    }

    days = 365 * year + year / 4 - year / 100 + year / 400
           + 367 * month / 12 - 30 + day - 1 - 719527 + 31 + 28;

    *sec = (time_t) days * 86400;

    return NGX_OK;
}


double
ngx_antenna_random(uint64_t *state)
{
    uint64_t  z;

    /* splitmix64 */

    *state += 0x9e3779b97f4a7c15;

    z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z = z ^ (z >> 31);

    return (double) (z >> 11) / 9007199254740992.0;
}
