
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_throttle.h>
#include <tk_json_path.h>

#include <time.h>


/*
 * Looks of rules into texts: members of JSON, regular expressions.  Short ones
 * are taken at once.  Others are for a thread, whose results the rules find
 * when they are evaluated again.
 */


#define NGX_ANTENNA_LOOK_JSON   16384     /* bytes that are read at once */
#define NGX_ANTENNA_LOOK_TEXT   256       /* that are matched at once */

/*
 * Steps of PCRE from one place of the text, and in a thread the time from all
 * of them, which no limit of PCRE's bounds.
 */

#define NGX_ANTENNA_LOOK_QUICK  "(*LIMIT_MATCH=1000)"
#define NGX_ANTENNA_LOOK_STEPS  1000000
#define NGX_ANTENNA_LOOK_DEPTH  5000
#define NGX_ANTENNA_LOOK_TIME   200000000 /* ns */
#define NGX_ANTENNA_LOOK_PLACES 16


static ngx_int_t ngx_antenna_look_later(ngx_antenna_judge_t *judge,
    ngx_antenna_expr_t *expr, ngx_str_t *text, ngx_uint_t json);

#if (NGX_PCRE)
static void ngx_antenna_look_match(ngx_antenna_look_t *look, size_t max);
static ngx_int_t ngx_antenna_look_places(ngx_antenna_look_t *look);
static uint64_t ngx_antenna_look_time(void);
static ngx_int_t ngx_antenna_look_verdict(ngx_antenna_judge_t *judge,
    ngx_antenna_look_t *look);
#endif


ngx_antenna_look_t *
ngx_antenna_look_find(ngx_antenna_judge_t *judge, ngx_antenna_expr_t *expr)
{
    ngx_antenna_look_t  *look;

    for (look = judge->looks; look; look = look->next) {
        if (look->expr == expr) {
            return look;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_antenna_look_later(ngx_antenna_judge_t *judge, ngx_antenna_expr_t *expr,
    ngx_str_t *text, ngx_uint_t json)
{
    ngx_antenna_look_t  *look;

    look = ngx_pcalloc(judge->request->pool, sizeof(ngx_antenna_look_t));
    if (look == NULL) {
        return NGX_ERROR;
    }

    look->expr = expr;
    look->text = *text;
    look->json = json;
    look->rc = NGX_OK;

    look->next = judge->looks;
    judge->looks = look;

    return NGX_AGAIN;
}


ngx_int_t
ngx_antenna_look_member(ngx_antenna_judge_t *judge, ngx_antenna_expr_t *expr,
    ngx_str_t *value)
{
    int        rc;
    tk_str_t   json, path;

    if (value->len > NGX_ANTENNA_LOOK_JSON) {
        return ngx_antenna_look_later(judge, expr, value, 1);
    }

    json.len = value->len;
    json.data = value->data;
    path.len = expr->path.len;
    path.data = expr->path.data;

    value->data = ngx_pnalloc(judge->request->pool, value->len);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    rc = tk_json_path(json, path, value->data, &value->len);

    return rc == 0 ? NGX_OK : NGX_DECLINED;
}


void
ngx_antenna_look_run(ngx_antenna_judge_t *judge)
{
    size_t               len;
    u_char              *p;
    tk_str_t             json, path;
    ngx_antenna_look_t  *look;

    look = judge->looks;

    if (look->json) {
        json.len = look->text.len;
        json.data = look->text.data;
        path.len = look->expr->path.len;
        path.data = look->expr->path.data;

        look->member = malloc(json.len);

        if (look->member == NULL) {
            look->rc = NGX_ERROR;
            return;
        }

        ngx_str_set(&look->text, "");

        if (tk_json_path(json, path, look->member, &len) == 0) {
            p = realloc(look->member, len ? len : 1);

            if (p) {
                look->member = p;
            }

            look->text.data = look->member;
            look->text.len = len;

        } else {
            look->rc = NGX_DECLINED;
        }
    }

#if (NGX_PCRE)
    if (look->expr->op == NGX_ANTENNA_REGEX) {
        ngx_antenna_look_match(look, judge->match_size);
    }
#endif
}


void
ngx_antenna_look_free(ngx_antenna_judge_t *judge)
{
    ngx_antenna_look_t  *look;

    for (look = judge->looks; look; look = look->next) {
        free(look->member);
    }

    judge->looks = NULL;
}


#if (NGX_PCRE)

ngx_int_t
ngx_antenna_look_compile(ngx_conf_t *cf, ngx_antenna_expr_t *expr,
    ngx_str_t *pattern, ngx_uint_t caseless)
{
    u_char               *p, errstr[NGX_MAX_CONF_ERRSTR];
    ngx_regex_compile_t   rc;

    ngx_memzero(&rc, sizeof(ngx_regex_compile_t));

    rc.pattern = *pattern;
    rc.pool = cf->pool;
    rc.options = caseless ? NGX_REGEX_CASELESS : 0;
    rc.err.len = NGX_MAX_CONF_ERRSTR;
    rc.err.data = errstr;

    if (ngx_regex_compile(&rc) != NGX_OK) {
        goto failed;
    }

    expr->regex = rc.regex;

    rc.pattern.len = sizeof(NGX_ANTENNA_LOOK_QUICK) - 1 + pattern->len;

    p = ngx_pnalloc(cf->pool, rc.pattern.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    rc.pattern.data = p;
    (void) ngx_sprintf(p, NGX_ANTENNA_LOOK_QUICK "%V%Z", pattern);

    rc.err.len = NGX_MAX_CONF_ERRSTR;

    if (ngx_regex_compile(&rc) != NGX_OK) {
        goto failed;
    }

    expr->quick = rc.regex;

    return NGX_OK;

failed:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%V", &rc.err);

    return NGX_ERROR;
}


ngx_int_t
ngx_antenna_look_regex(ngx_antenna_judge_t *judge, ngx_antenna_expr_t *expr,
    ngx_str_t *value, ngx_antenna_look_t *look)
{
    ngx_int_t  rc;

    if (look && look->matched) {
        return ngx_antenna_look_verdict(judge, look);
    }

    if (value->len <= NGX_ANTENNA_LOOK_TEXT) {

        rc = ngx_regex_exec(expr->quick, value, NULL, 0);

        if (rc >= 0) {
            return NGX_OK;
        }

        if (rc == NGX_REGEX_NO_MATCHED) {
            return NGX_DECLINED;
        }

        /* it takes more steps than this loop has for it */
    }

    return ngx_antenna_look_later(judge, expr, value, 0);
}


static void
ngx_antenna_look_match(ngx_antenna_look_t *look, size_t max)
{
    look->matched = 1;

    if (look->text.len > max) {
        look->match = NGX_DECLINED;
        look->large = 1;
        return;
    }

    look->match = ngx_antenna_look_places(look);
}


/* not by ngx_regex_exec(), whose room for results is the event loop's */

#if (NGX_PCRE2)

static ngx_int_t
ngx_antenna_look_places(ngx_antenna_look_t *look)
{
    size_t                i;
    uint64_t              start;
    ngx_int_t             rc;
    ngx_str_t            *text;
    pcre2_match_data     *data;
    pcre2_match_context  *context;

    text = &look->text;
    start = ngx_antenna_look_time();
    rc = PCRE2_ERROR_NOMEMORY;

    context = pcre2_match_context_create(NULL);
    data = pcre2_match_data_create(1, NULL);

    if (context == NULL || data == NULL) {
        goto done;
    }

    pcre2_set_match_limit(context, NGX_ANTENNA_LOOK_STEPS);

    for (i = 0; i <= text->len; i++) {

        rc = pcre2_match(look->expr->regex, text->data, text->len, i,
                         PCRE2_ANCHORED, data, context);

        /* the latter of "(*UTF)": not the first byte of a character */

        if (rc != PCRE2_ERROR_NOMATCH && rc != PCRE2_ERROR_BADUTFOFFSET) {
            break;
        }

        rc = NGX_REGEX_NO_MATCHED;

        if (i % NGX_ANTENNA_LOOK_PLACES == 0
            && ngx_antenna_look_time() - start > NGX_ANTENNA_LOOK_TIME)
        {
            look->late = 1;
            break;
        }
    }

done:

    pcre2_match_data_free(data);
    pcre2_match_context_free(context);

    return rc;
}

#else

static ngx_int_t
ngx_antenna_look_places(ngx_antenna_look_t *look)
{
    int           i;
    uint64_t      start;
    ngx_int_t     rc;
    ngx_str_t    *text;
    pcre_extra    extra;
    ngx_regex_t  *re;

    re = look->expr->regex;
    text = &look->text;

    ngx_memzero(&extra, sizeof(pcre_extra));

    if (re->extra) {
        extra = *re->extra;
    }

    /* it recurses, on the stack of a thread */

    extra.flags |= PCRE_EXTRA_MATCH_LIMIT|PCRE_EXTRA_MATCH_LIMIT_RECURSION;
    extra.match_limit = NGX_ANTENNA_LOOK_STEPS;
    extra.match_limit_recursion = NGX_ANTENNA_LOOK_DEPTH;

    start = ngx_antenna_look_time();

    for (i = 0; i <= (int) text->len; i++) {

        rc = pcre_exec(re->code, &extra, (const char *) text->data,
                       (int) text->len, i, PCRE_ANCHORED, NULL, 0);

        if (rc != PCRE_ERROR_NOMATCH && rc != PCRE_ERROR_BADUTF8_OFFSET) {
            return rc;
        }

        if (i % NGX_ANTENNA_LOOK_PLACES == 0
            && ngx_antenna_look_time() - start > NGX_ANTENNA_LOOK_TIME)
        {
            look->late = 1;
            break;
        }
    }

    return NGX_REGEX_NO_MATCHED;
}

#endif


/* of this thread: others do not make it shorter */

static uint64_t
ngx_antenna_look_time(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}


/* the verdict of a look; one that came to no end does not hold */

static ngx_int_t
ngx_antenna_look_verdict(ngx_antenna_judge_t *judge, ngx_antenna_look_t *look)
{
    ngx_log_t  *log;

    log = judge->request->connection->log;

    if (look->large) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "%uz bytes are too many for a regular expression of a "
                      "rule, see antenna_max_match_size, the condition does "
                      "not hold", look->text.len);

    } else if (look->late) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "a regular expression of a rule takes too long on an "
                      "annotation, the condition does not hold");

    } else if (look->match >= 0) {
        return NGX_OK;

    } else if (look->match != NGX_REGEX_NO_MATCHED) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      ngx_regex_exec_n " failed: %i on an annotation, the "
                      "condition does not hold", look->match);
    }

    return NGX_DECLINED;
}

#endif
