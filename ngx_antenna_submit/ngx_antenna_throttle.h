
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_ANTENNA_THROTTLE_H_INCLUDED_
#define _NGX_ANTENNA_THROTTLE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * An ordered list of rules, the first that matches decides about a crash.
 * The semantics are those of antenna/throttler.py.
 */


typedef enum {
    NGX_ANTENNA_ACCEPT = 0,       /* the digit in the crash id */
    NGX_ANTENNA_DEFER,
    NGX_ANTENNA_REJECT,
    NGX_ANTENNA_FAKEACCEPT,
    NGX_ANTENNA_CONTINUE
} ngx_antenna_result_e;


typedef struct ngx_antenna_throttle_s  ngx_antenna_throttle_t;
typedef struct ngx_antenna_expr_s      ngx_antenna_expr_t;


typedef enum {
    NGX_ANTENNA_AND = 0,
    NGX_ANTENNA_OR,
    NGX_ANTENNA_NOT,

    NGX_ANTENNA_EXISTS,
    NGX_ANTENNA_IN,               /* a list of values, "=" is one of one */
    NGX_ANTENNA_REGEX,
    NGX_ANTENNA_NUMBER,           /* these three by way of relation */
    NGX_ANTENNA_VERSION,
    NGX_ANTENNA_TEXT,
    NGX_ANTENNA_OLDER             /* a BuildID */
} ngx_antenna_op_e;


#define NGX_ANTENNA_LESS     0x01
#define NGX_ANTENNA_EQUAL    0x02
#define NGX_ANTENNA_GREATER  0x04


struct ngx_antenna_expr_s {
    ngx_antenna_op_e               op;
    ngx_uint_t                     relation;

    ngx_antenna_expr_t            *left;         /* and, or, not */
    ngx_antenna_expr_t            *right;

    /* what is looked at: an annotation, a member of one, or variables */
    ngx_str_t                      annotation;
    ngx_str_t                      path;         /* "a.b" in its JSON */
    ngx_http_complex_value_t      *variable;

    /* what it is compared with */
    ngx_array_t                   *list;         /* ngx_http_complex_value_t */
    double                         number;
    time_t                         age;
#if (NGX_PCRE)
    ngx_regex_t                   *regex;
    ngx_regex_t                   *quick;        /* the same, of few steps */
#endif
};


typedef struct {
    ngx_str_t                      name;
    double                         percent;      /* of 100 get results[0], */
    ngx_antenna_result_e           results[2];   /* the others results[1] */
    ngx_http_complex_value_t      *log;          /* or NULL */
    ngx_antenna_expr_t            *expr;         /* NULL: always */
} ngx_antenna_rule_t;


struct ngx_antenna_throttle_s {
    ngx_str_t                      name;
    ngx_array_t                    rules;        /* ngx_antenna_rule_t */
};


/*
 * The text of an annotation: NGX_OK, NGX_DECLINED if the crash has none of
 * this name, or NGX_ERROR.
 */
typedef ngx_int_t (*ngx_antenna_annotation_pt)(void *data, ngx_str_t *name,
    ngx_str_t *value);


/* a look into a text that is a thread's, and what came of it */

typedef struct ngx_antenna_look_s  ngx_antenna_look_t;

struct ngx_antenna_look_s {
    ngx_antenna_look_t            *next;
    ngx_antenna_expr_t            *expr;
    ngx_str_t                      text;         /* in; out: the operand */
    u_char                        *member;       /* malloc()ed, or NULL */
    ngx_int_t                      rc;           /* NGX_DECLINED: none */
    ngx_int_t                      match;        /* of PCRE */
    unsigned                       json:1;       /* in: a member of text */
    unsigned                       matched:1;    /* match is set */
    unsigned                       large:1;      /* too large to match */
    unsigned                       late:1;       /* out of time */
};


typedef struct {

    /* set by the caller, the rest is zeroed */

    ngx_http_request_t            *request;
    ngx_antenna_annotation_pt      annotation;
    void                          *data;         /* given to it */
    uint64_t                      *random;       /* state of its generator */
    time_t                         now;
    size_t                         match_size;   /* for regexes, at most */

    /* private */

    ngx_uint_t                     n;            /* the rule's number */
    ngx_antenna_look_t            *looks;        /* of this rule; the last one
                                                    first */

    /* the verdict */

    ngx_antenna_result_e           result;
    ngx_str_t                      rule;         /* its name */
    ngx_uint_t                     percentage;
    ngx_str_t                      log;          /* what the rule says, or
                                                    empty */
} ngx_antenna_judge_t;


/*
 * The rules about one crash.  Without throttle everything is accepted, by
 * the rule "accept_everything"; if no rule matches it is rejected, by
 * "NO_MATCH".  Returns NGX_OK; NGX_ERROR when out of memory; or NGX_AGAIN: it
 * is to be called again after ngx_antenna_look_run(), which is for a thread
 * and may read annotations and the texts of variables.
 */
ngx_int_t ngx_antenna_throttle(ngx_antenna_throttle_t *throttle,
    ngx_antenna_judge_t *judge);
void ngx_antenna_look_run(ngx_antenna_judge_t *judge);

/* before all ends; harmless more than once */
void ngx_antenna_look_free(ngx_antenna_judge_t *judge);

/* a number from 0 to 1, 1 excluded; the same ones for the same seed */
double ngx_antenna_random(uint64_t *state);


typedef struct {
    ngx_str_t                      name;
    ngx_array_t                   *values;       /* ngx_http_complex_value_t */
} ngx_antenna_list_t;


/*
 * antenna_throttle_rules NAME { ... }: adds an ngx_antenna_throttle_t * to
 * the array at the command's offset in conf, which is its element type.
 */
char *ngx_antenna_throttle_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* the one of this name in such an array, or NULL */
ngx_antenna_throttle_t *ngx_antenna_throttle_find(ngx_array_t *throttles,
    ngx_str_t *name);

/* "rule NAME RESULT [log TEXT] [if CONDITION]" in cf->args, to rule */
char *ngx_antenna_rule_parse(ngx_conf_t *cf, ngx_array_t *lists,
    ngx_antenna_rule_t *rule);

/*
 * A condition in args[0..n-1]; lists are ngx_antenna_list_t.  NULL: error,
 * logged.
 */
ngx_antenna_expr_t *ngx_antenna_expr_parse(ngx_conf_t *cf,
    ngx_array_t *lists, ngx_str_t *args, ngx_uint_t n);

/* texts that may have variables, compiled; NULL: error, logged */
ngx_array_t *ngx_antenna_expr_values(ngx_conf_t *cf, ngx_str_t *values,
    ngx_uint_t n);


/* private to the rules: looks */

/* what is known already of this condition, or NULL */
ngx_antenna_look_t *ngx_antenna_look_find(ngx_antenna_judge_t *judge,
    ngx_antenna_expr_t *expr);

/*
 * The member of the JSON in *value: NGX_OK or NGX_DECLINED, value->data is to
 * be freed; NGX_ERROR; NGX_AGAIN: a thread has to look.
 */
ngx_int_t ngx_antenna_look_member(ngx_antenna_judge_t *judge,
    ngx_antenna_expr_t *expr, ngx_str_t *value);

#if (NGX_PCRE)

ngx_int_t ngx_antenna_look_compile(ngx_conf_t *cf, ngx_antenna_expr_t *expr,
    ngx_str_t *pattern, ngx_uint_t caseless);

/* look is what is known; NGX_OK, NGX_DECLINED, NGX_ERROR or NGX_AGAIN */
ngx_int_t ngx_antenna_look_regex(ngx_antenna_judge_t *judge,
    ngx_antenna_expr_t *expr, ngx_str_t *value, ngx_antenna_look_t *look);

#endif


#endif /* _NGX_ANTENNA_THROTTLE_H_INCLUDED_ */
