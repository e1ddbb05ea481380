
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_ANTENNA_SUBMIT_H_INCLUDED_
#define _NGX_ANTENNA_SUBMIT_H_INCLUDED_


#include <ngx_antenna_mover.h>
#include <ngx_antenna_spool.h>
#include <ngx_antenna_throttle.h>
#include <tk_crash_form.h>
#include <tk_inflate.h>


#define NGX_ANTENNA_DIALECT_2018   0
#define NGX_ANTENNA_DIALECT_2026   1

#define NGX_ANTENNA_ID_ACCEPT      0     /* a client's own crash id */
#define NGX_ANTENNA_ID_BEARER      1
#define NGX_ANTENNA_ID_IGNORE      2

/* what is parsed, hashed and inflated before others have their turn */
#define NGX_ANTENNA_TURN           65536

#define NGX_ANTENNA_MALFORMED      (TK_MALFORMED_NO_MEMORY + 1)
#define NGX_ANTENNA_RESULTS        4


typedef struct {
    ngx_tecken_metric_t            incoming;
    ngx_tecken_metric_t            gzipped;
    ngx_tecken_metric_t            size;          /* of forms, bytes */
    ngx_tecken_metric_t            size_gzipped;
    ngx_tecken_metric_t            malformed[NGX_ANTENNA_MALFORMED];
    ngx_tecken_metric_t            results[NGX_ANTENNA_RESULTS];
    ngx_tecken_metric_t           *rules;
    ngx_uint_t                     nrules;
    ngx_tecken_metric_t            unauthorized;
    ngx_tecken_metric_t            failed;        /* to be made durable */
    ngx_tecken_metric_t            vanished;      /* clients */
    ngx_tecken_metric_t            on_post;
    ngx_tecken_metric_t            handling;
    ngx_tecken_metric_t            sync;
    ngx_tecken_metric_t            stored;
    ngx_tecken_metric_t            save;          /* time to store one */
    ngx_tecken_metric_t            retries;
    ngx_tecken_metric_t            refused;
    ngx_tecken_metric_t            corrupt;
} ngx_antenna_metrics_t;


typedef struct {
    ngx_array_t                    throttles;  /* ngx_antenna_throttle_t * */
    ngx_array_t                    spools;     /* ngx_antenna_spool_t * */
    ngx_antenna_mover_t          **movers;     /* of this worker, in order */

    ngx_uint_t                     seed;

    ngx_open_file_t               *log;        /* NULL: none */

    ngx_antenna_metrics_t          metrics;

    unsigned                       log_set:1;
    unsigned                       dialect_2018:1;    /* of some location */
} ngx_antenna_submit_main_conf_t;


typedef struct {
    tk_str_t                       from;
    tk_str_t                       to;
} ngx_antenna_alias_t;


typedef struct {
    u_char                         sha256[SHA256_DIGEST_LENGTH];
} ngx_antenna_token_t;


typedef struct {
    ngx_flag_t                     enable;
    ngx_flag_t                     any_path;   /* as the location matches */

    ngx_uint_t                     dialect;
    ngx_flag_t                     strict;

    off_t                          inflated_size;
    size_t                         annotation_size;
    size_t                         annotations_size;
    ngx_uint_t                     annotations;
    ngx_uint_t                     parts;
    ngx_uint_t                     part_headers;
    size_t                         part_headers_size;
    ngx_uint_t                     json_depth;
    ngx_uint_t                     dumps;

    ngx_msec_t                     body_timeout;
    size_t                         body_min_rate;

    ngx_uint_t                     client_id;
    ngx_array_t                   *tokens;     /* ngx_antenna_token_t */

    ngx_array_t                   *aliases;    /* ngx_antenna_alias_t */
    ngx_array_t                   *removed;    /* tk_str_t */

    ngx_str_t                      throttle_name;
    ngx_antenna_throttle_t        *throttle;   /* NULL: all */
    size_t                         match_size;
    size_t                         variable_size;

    ngx_http_complex_value_t      *allow_origin;

    ngx_str_t                      spool_path;
    ngx_uint_t                     spool_sync;
    off_t                          spool_max_size;
    off_t                          spool_min_free;
    ngx_str_t                      store_to;
    ngx_uint_t                     layout;
    ngx_uint_t                     crashmovers;
    ngx_msec_t                     retry_max;

    ngx_antenna_spool_t           *spool;
    tk_crash_conf_t                form;       /* without its boundary */

    u_char                        *file_name;  /* where it is enabled */
    ngx_uint_t                     line;
} ngx_antenna_submit_loc_conf_t;


typedef struct ngx_antenna_submit_ctx_s  ngx_antenna_submit_ctx_t;
typedef struct ngx_antenna_raw_s         ngx_antenna_raw_t;

typedef void (*ngx_antenna_work_pt)(ngx_antenna_submit_ctx_t *ctx);


struct ngx_antenna_submit_ctx_s {
    ngx_http_request_t            *request;

    tk_crash_form_t                form;
    tk_inflate_t                  *inflate;    /* NULL: not compressed */
    ngx_antenna_record_t          *record;     /* NULL: no dump yet */

    ngx_chain_t                   *in;         /* of the body, to be read */
    u_char                        *rest;       /* behind a large annotation,
                                                  malloc()ed */
    u_char                        *rest_pos;
    u_char                        *rest_last;
    u_char                        *load;       /* of a body in a file */
    ssize_t                        loaded;
    ngx_err_t                      err;
    ngx_antenna_raw_t             *raw;        /* NULL: a small one */
    off_t                          received;   /* bytes of the body */
    off_t                          size;       /* of the form */
    size_t                         turn;       /* bytes in this turn */

    ngx_event_t                    next;       /* the next turn */
    ngx_event_t                    timer;      /* of the whole body */
    ngx_event_t                    hold;       /* keeps a quitting worker, which
                                                  does not wait for turns */
    ngx_msec_t                     began;      /* reading the body */
    ngx_msec_t                     blocked_at;
    ngx_msec_t                     stalled;    /* by our own disk */

    uint64_t                       started;    /* usec, monotonic */
    struct timeval                 start;
    struct timeval                 submitted;

    ngx_str_t                      result;     /* for variables */
    ngx_str_t                      reason;
    ngx_str_t                      rule;
    ngx_antenna_judge_t            judge;
    u_char                         id[TK_CRASH_ID];

    ngx_int_t                      failed;     /* NGX_BUSY, NGX_ERROR */
    tk_malformed_e                 malformed;

    u_char                         boundary[TK_FORM_BOUNDARY_2018];

    unsigned                       has_form:1;
    unsigned                       compressed:1;
    unsigned                       inflated:1; /* a whole stream */
    unsigned                       pending:1;  /* more output of it */
    unsigned                       shared:1;   /* others need the body, too */
    unsigned                       ended:1;    /* the form */
    unsigned                       drain:1;    /* the verdict is known */
    unsigned                       blocked:1;  /* the record is full */
    unsigned                       working:1;  /* a thread is */
    unsigned                       decided:1;  /* what follows is no body */
    unsigned                       has_id:1;
    unsigned                       chosen:1;
};


/* conf */

char *ngx_antenna_submit_merge_form(ngx_conf_t *cf,
    ngx_antenna_submit_loc_conf_t *alcf);
char *ngx_antenna_submit_merge_spool(ngx_conf_t *cf,
    ngx_antenna_submit_loc_conf_t *alcf);

char *ngx_antenna_conf_alias(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_antenna_conf_client_id(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_antenna_conf_remove(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_antenna_conf_log(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_antenna_conf_spool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* handler */

ngx_int_t ngx_antenna_submit_handler(ngx_http_request_t *r);

/* body */

void ngx_antenna_body_init(ngx_http_request_t *r);
void ngx_antenna_body_cleanup(ngx_antenna_submit_ctx_t *ctx);

/* the handler of ctx->record while the body is read */
void ngx_antenna_body_resume(ngx_antenna_record_t *rec);

/* a thread is through with an annotation */
void ngx_antenna_body_worked(ngx_antenna_submit_ctx_t *ctx);


/* work */

/*
 * run() is called in a thread, while the event loop touches nothing of the
 * crash; then done(), in the event loop.  NGX_OK, or NGX_ERROR: there is no
 * thread to be had, which is logged.
 */
ngx_int_t ngx_antenna_work(ngx_antenna_submit_ctx_t *ctx,
    ngx_antenna_work_pt run, ngx_antenna_work_pt done);

/* hands the annotations of a form to a thread if there is much to be freed */
void ngx_antenna_work_free(ngx_antenna_submit_ctx_t *ctx);

/* crash */

/*
 * Data of the form, TURN bytes at most, all of which are used, or kept in
 * ctx->rest; eof: nothing follows.  What was found is in ctx: ended, drain,
 * blocked, working.
 */
void ngx_antenna_crash_parse(ngx_antenna_submit_ctx_t *ctx,
    const u_char *data, size_t len, ngx_uint_t eof);

/* the form and the body have ended: NGX_AGAIN, or the answer's rc */
ngx_int_t ngx_antenna_crash_decide(ngx_antenna_submit_ctx_t *ctx);

/* the crash is not to be kept: what is left of the body is skipped */
void ngx_antenna_crash_refuse(ngx_antenna_submit_ctx_t *ctx,
    tk_malformed_e reason);
void ngx_antenna_crash_drop(ngx_antenna_submit_ctx_t *ctx);

/* a tk_text_write_pt to the record, data is the ctx */
int ngx_antenna_crash_write(void *data, const uint8_t *p, size_t len);

/* the raw crash is written: what is left of the record, and its commit */
ngx_int_t ngx_antenna_crash_finish(ngx_antenna_submit_ctx_t *ctx);

/* drops the crash; returns the rc of the answer */
ngx_int_t ngx_antenna_crash_failed(ngx_antenna_submit_ctx_t *ctx,
    ngx_int_t rc);

/* raw */

/*
 * The raw crash to the record.  NGX_OK; NGX_AGAIN: crash_finish() comes
 * later, from the event loop; NGX_BUSY, NGX_ERROR.
 */
ngx_int_t ngx_antenna_raw_write(ngx_antenna_submit_ctx_t *ctx,
    tk_raw_crash_t *crash);
void ngx_antenna_raw_free(ngx_antenna_submit_ctx_t *ctx);

/* answer */

ngx_int_t ngx_antenna_answer_crash_id(ngx_antenna_submit_ctx_t *ctx);
ngx_int_t ngx_antenna_answer_rejected(ngx_antenna_submit_ctx_t *ctx);
ngx_int_t ngx_antenna_answer_malformed(ngx_antenna_submit_ctx_t *ctx,
    tk_malformed_e reason);
ngx_int_t ngx_antenna_answer_unauthorized(ngx_antenna_submit_ctx_t *ctx);
ngx_int_t ngx_antenna_answer_failed(ngx_antenna_submit_ctx_t *ctx);
ngx_int_t ngx_antenna_answer_slow(ngx_antenna_submit_ctx_t *ctx);
ngx_int_t ngx_antenna_answer_method(ngx_http_request_t *r);
ngx_int_t ngx_antenna_answer_options(ngx_http_request_t *r);
ngx_int_t ngx_antenna_answer_not_found(ngx_http_request_t *r);

/* check */

ngx_int_t ngx_antenna_checks_add(ngx_conf_t *cf,
    ngx_tecken_heartbeat_t *heartbeat, ngx_array_t *spools);

/* metrics */

ngx_int_t ngx_antenna_metrics_add(ngx_conf_t *cf,
    ngx_antenna_submit_main_conf_t *amcf);
void ngx_antenna_metrics_refused(ngx_antenna_submit_main_conf_t *amcf,
    tk_malformed_e reason);
void ngx_antenna_metrics_verdict(ngx_antenna_submit_main_conf_t *amcf,
    ngx_str_t *rule, ngx_antenna_result_e result);

/* what a mover tells; data is the main configuration */
void ngx_antenna_metrics_moved(ngx_antenna_mover_t *mover,
    ngx_antenna_event_e event, const uint8_t *crash_id, uint64_t value);

/* log */

#define NGX_ANTENNA_LOG_ERROR  3
#define NGX_ANTENNA_LOG_INFO   6

/* a mozlog line of antenna_log, if there is one */
void ngx_cdecl ngx_antenna_log(ngx_antenna_submit_main_conf_t *amcf,
    ngx_uint_t severity, const char *type, const char *fmt, ...);

/* variables */

ngx_int_t ngx_antenna_submit_add_variables(ngx_conf_t *cf);

/* an ngx_antenna_annotation_pt, data is ngx_antenna_submit_ctx_t * */
ngx_int_t ngx_antenna_annotation(void *data, ngx_str_t *name,
    ngx_str_t *value);


extern uint64_t  ngx_antenna_random_state;


#endif /* _NGX_ANTENNA_SUBMIT_H_INCLUDED_ */
