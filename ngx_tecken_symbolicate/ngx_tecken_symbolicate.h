
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_SYMBOLICATE_H_INCLUDED_
#define _NGX_TECKEN_SYMBOLICATE_H_INCLUDED_


#include <ngx_tecken.h>
#include <tk_symreq.h>


#define NGX_TECKEN_SYMBOLICATE_SOURCES_503      0
#define NGX_TECKEN_SYMBOLICATE_SOURCES_MISSING  1

/* more JSON than this is not read on the event loop */
#define NGX_TECKEN_SYMBOLICATE_INLINE           65536


/* what became of a request, the label "result" of its counter */

typedef enum {
    NGX_TECKEN_SYMBOLICATE_ANSWERED = 0,
    NGX_TECKEN_SYMBOLICATE_INVALID,
    NGX_TECKEN_SYMBOLICATE_SOURCE_ERROR,
    NGX_TECKEN_SYMBOLICATE_TIMEOUT,
    NGX_TECKEN_SYMBOLICATE_FAILED,
    NGX_TECKEN_SYMBOLICATE_RESULTS
} ngx_tecken_symbolicate_result_e;


/* series of one version of the API */

typedef struct {
    ngx_tecken_metric_t              results[NGX_TECKEN_SYMBOLICATE_RESULTS];
    ngx_tecken_metric_t              time;
    ngx_tecken_metric_t              jobs;
    ngx_tecken_metric_t              stacks;
} ngx_tecken_symbolicate_version_metrics_t;


typedef struct {
    ngx_tecken_symbolicate_version_metrics_t
                                     versions[2];      /* v4, v5 */
    ngx_tecken_metric_t              errors[TK_SYMREQ_REASONS];
    ngx_tecken_metric_t              frames;
    ngx_tecken_metric_t              found;            /* modules */
    ngx_tecken_metric_t              missing;
    ngx_tecken_metric_t              failed;
    ngx_tecken_metric_t              waits;
    ngx_tecken_metric_t              waiting;
} ngx_tecken_symbolicate_main_conf_t;


typedef struct {
    ngx_flag_t                       enable;
    ngx_uint_t                       version;          /* 0: by the URI */
    ngx_str_t                        base;             /* before /symbolicate */
    ngx_uint_t                       any_base;

    tk_symreq_limits_t               limits;
    ngx_int_t                        jobs;             /* as configured */
    ngx_int_t                        stacks;
    ngx_int_t                        modules;
    ngx_int_t                        frames;
    ngx_int_t                        depth;

    size_t                           body_size;
    ngx_msec_t                       timeout;
    ngx_uint_t                       source_errors;

    u_char                          *file_name;        /* where it is enabled */
    ngx_uint_t                       line;
} ngx_tecken_symbolicate_loc_conf_t;


typedef struct ngx_tecken_symbolicate_ctx_s  ngx_tecken_symbolicate_ctx_t;


/* frames of a request that were looked up together, from first on */

typedef struct {
    tk_symreq_frame_t               *first;
    ngx_uint_t                       n;
    uint32_t                        *count;            /* of first */
    tk_symcache_frame_t             *found;

    uint32_t                         counts[TK_SYMCACHE_MANY];
    tk_symcache_frame_t              frames[TK_SYMCACHE_FRAMES
                                            + 2 * TK_SYMCACHE_MANY];
} ngx_tecken_symbolicate_ahead_t;


/* how far an answer is written */

typedef struct {
    ngx_uint_t                       state;
    ngx_uint_t                       job;
    ngx_uint_t                       index;            /* of a stack or a map
                                                          entry of the job */
    ngx_uint_t                       frame;            /* of the stack */
    ngx_uint_t                       part;             /* 0: the frame, then
                                                          its inlines */
    ngx_uint_t                       object;           /* of debug */
    ngx_uint_t                       comma;

    ngx_uint_t                      *refs;             /* for debug: frames of
                                                          each module */
    ngx_uint_t                       frames;
    ngx_uint_t                       real;

    ngx_tecken_symbolicate_ahead_t  *ahead;

    size_t                           size;             /* of each buffer */
    u_char                          *name;             /* for one that is
                                                          longer */
    size_t                           name_size;
    ngx_buf_t                       *buf;              /* the one now */
    ngx_chain_t                    **last;
    ngx_uint_t                       bufs;             /* of this slice */

    ngx_chain_t                     *out;
    ngx_chain_t                     *free;
    ngx_chain_t                     *busy;

    unsigned                         done:1;
    unsigned                         failed:1;         /* out of memory */
} ngx_tecken_symbolicate_writer_t;


struct ngx_tecken_symbolicate_ctx_s {
    ngx_http_request_t              *request;
    ngx_uint_t                       version;          /* 4, 5; 0: no route */

    tk_symreq_t                     *req;              /* once it is valid */
    ngx_tecken_task_t               *task;             /* memory of req */
    ngx_tecken_task_t               *running;          /* a task, if any */

    /* those that frames refer to; mark of req->modules is the index + 1 */
    ngx_tecken_module_t             *modules;
    ngx_uint_t                       nmodules;
    ngx_uint_t                       asked;
    ngx_uint_t                       pending;
    ngx_event_t                      more;             /* are to be asked */
    ngx_event_t                      timer;

    uint64_t                         started;          /* usec */
    uint64_t                         usec;

    /* for logs, when req is gone */
    ngx_uint_t                       njobs;
    ngx_uint_t                       nstacks;
    ngx_uint_t                       nframes;
    ngx_uint_t                       found;            /* modules */
    ngx_uint_t                       missing;

    ngx_tecken_symbolicate_writer_t  writer;

    ngx_str_t                        error;            /* in place of nginx's
                                                          own body */

    unsigned                         debug:1;
    unsigned                         waiting:1;
    unsigned                         cold:1;           /* maps just opened */
    unsigned                         queued:1;         /* for modules */
    unsigned                         answered:1;       /* in our own words */
    unsigned                         finished:1;       /* usec is set */
    unsigned                         counted:1;        /* njobs and so on */
};


typedef ngx_int_t (*ngx_tecken_symbolicate_step_pt)(
    ngx_tecken_symbolicate_ctx_t *ctx);


/*
 * A request goes through steps: read() and parse, gather(), warm(), answer().
 * Each returns what the next one does; or NGX_DONE: it waits, and resume()
 * goes on with the next one; or what the request is finalized with, which may
 * be NGX_AGAIN: nginx is to send what the client has not taken yet.
 */


/* handler */

ngx_int_t ngx_tecken_symbolicate_handler(ngx_http_request_t *r);

ngx_int_t ngx_tecken_symbolicate_wait(ngx_tecken_symbolicate_ctx_t *ctx);
void ngx_tecken_symbolicate_resume(ngx_tecken_symbolicate_ctx_t *ctx,
    ngx_tecken_symbolicate_step_pt step);

/* {"title": ...[, "description": ...]} */
ngx_int_t ngx_tecken_symbolicate_error(ngx_tecken_symbolicate_ctx_t *ctx,
    ngx_uint_t status, const char *title, const char *description);
/* 503 with Retry-After */
ngx_int_t ngx_tecken_symbolicate_unavailable(
    ngx_tecken_symbolicate_ctx_t *ctx, const char *description);

/* name in lower case; NULL: there is none */
ngx_table_elt_t *ngx_tecken_symbolicate_header_in(ngx_http_request_t *r,
    const char *name, size_t len);

/* request body */

ngx_int_t ngx_tecken_symbolicate_read(ngx_tecken_symbolicate_ctx_t *ctx);

/* modules */

ngx_int_t ngx_tecken_symbolicate_gather(ngx_tecken_symbolicate_ctx_t *ctx);
void ngx_tecken_symbolicate_release(ngx_tecken_symbolicate_ctx_t *ctx);

/* the module of a frame or a map entry, NULL if it was not asked for */
#define ngx_tecken_symbolicate_module(ctx, m)                                 \
    ((ctx)->req->modules[m].mark                                              \
     ? &(ctx)->modules[(ctx)->req->modules[m].mark - 1] : NULL)

/* answer */

ngx_int_t ngx_tecken_symbolicate_answer(ngx_tecken_symbolicate_ctx_t *ctx);

/* writes results to ctx->writer until it is full or all is written */
void ngx_tecken_symbolicate_slice(ngx_tecken_symbolicate_ctx_t *ctx);

void ngx_tecken_symbolicate_begin(ngx_tecken_symbolicate_ctx_t *ctx);
void ngx_tecken_symbolicate_end(ngx_tecken_symbolicate_ctx_t *ctx);
ngx_uint_t ngx_tecken_symbolicate_full(ngx_tecken_symbolicate_ctx_t *ctx);

void ngx_tecken_symbolicate_put(ngx_tecken_symbolicate_ctx_t *ctx,
    const void *data, size_t len);
void ngx_tecken_symbolicate_put_function(ngx_tecken_symbolicate_ctx_t *ctx,
    const tk_symcache_t *sc, uint32_t function);
void ngx_tecken_symbolicate_put_number(ngx_tecken_symbolicate_ctx_t *ctx,
    uint64_t n);
void ngx_tecken_symbolicate_put_hex(ngx_tecken_symbolicate_ctx_t *ctx,
    uint64_t n, ngx_uint_t negative);
void ngx_tecken_symbolicate_put_usec(ngx_tecken_symbolicate_ctx_t *ctx,
    uint64_t usec);

#define ngx_tecken_symbolicate_puts(ctx, text)                                \
    ngx_tecken_symbolicate_put(ctx, text, sizeof(text) - 1)

/* ', "debug": {...}', piece by piece: NGX_AGAIN, then NGX_OK */
ngx_int_t ngx_tecken_symbolicate_debug_eliot(
    ngx_tecken_symbolicate_ctx_t *ctx);
ngx_int_t ngx_tecken_symbolicate_debug_tecken(
    ngx_tecken_symbolicate_ctx_t *ctx);

/* cors, errors in Eliot's form */

ngx_int_t ngx_tecken_symbolicate_filter_init(ngx_conf_t *cf);

/* metrics */

ngx_int_t ngx_tecken_symbolicate_add_metrics(ngx_conf_t *cf,
    ngx_tecken_symbolicate_main_conf_t *smcf);
void ngx_tecken_symbolicate_count(ngx_tecken_symbolicate_ctx_t *ctx,
    ngx_tecken_symbolicate_result_e result);
void ngx_tecken_symbolicate_count_request(ngx_tecken_symbolicate_ctx_t *ctx);

/* variables */

ngx_int_t ngx_tecken_symbolicate_add_variables(ngx_conf_t *cf);


extern ngx_module_t  ngx_tecken_symbolicate_module;


#endif /* _NGX_TECKEN_SYMBOLICATE_H_INCLUDED_ */
