
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_SYMBUILD_RUN_H_INCLUDED_
#define _NGX_TECKEN_SYMBUILD_RUN_H_INCLUDED_


/* private to this room: what a build hands to its threads */


#include <ngx_tecken_symbuild.h>
#include <ngx_tecken_offload.h>

#include <tk_inflate.h>
#include <tk_symcache_build.h>


#define NGX_TECKEN_SYMBUF_SIZE  65536

/* buffers of the source that wait: more are not taken, until half are free */
#define NGX_TECKEN_SYMBUILD_IN  8

/* that a builder may allocate */
#define NGX_TECKEN_SYMBUILD_MEMORY  (512 * 1024 * 1024)


typedef struct ngx_tecken_symbuf_s  ngx_tecken_symbuf_t;

struct ngx_tecken_symbuf_s {
    ngx_tecken_symbuf_t          *next;
    u_char                       *pos;
    u_char                       *last;
    u_char                       *end;
    u_char                        data[NGX_TECKEN_SYMBUF_SIZE];
};


typedef struct {
    ngx_tecken_symbuf_t          *first;
    ngx_tecken_symbuf_t          *last;
    ngx_uint_t                    n;
} ngx_tecken_symbufs_t;


/* a stage is its thread's while its task is posted, else the event loop's */

typedef struct {
    ngx_tecken_task_t            *task;
    tk_inflate_t                 *z;

    ngx_tecken_symbufs_t          in;
    ngx_tecken_symbufs_t          used;        /* of in */
    ngx_tecken_symbufs_t          empty;
    ngx_tecken_symbufs_t          out;         /* of empty */

    int                           rc;          /* TK_INFLATE_ */
    uint64_t                      usec;
    unsigned                      more:1;      /* out was full */
} ngx_tecken_symbuild_inflate_t;


typedef enum {
    NGX_TECKEN_SYMBUILD_OPEN = 0,              /* io pool */
    NGX_TECKEN_SYMBUILD_PARSE,
    NGX_TECKEN_SYMBUILD_SAVE,                  /* io pool */
    NGX_TECKEN_SYMBUILD_DISCARD                /* io pool */
} ngx_tecken_symbuild_step_e;


typedef struct {
    ngx_tecken_task_t            *task;
    tk_symcache_build_t          *builder;
    ngx_tecken_symcache_file_t    file;
    ngx_tecken_symbuild_step_e    step;

    ngx_tecken_symbufs_t          in;
    ngx_tecken_symbufs_t          used;        /* of in */

    ngx_int_t                     rc;          /* of the step */
    ngx_err_t                     err;         /* of a failed write */
    tk_symcache_stat_t            stat;
    uint64_t                      usec;
    off_t                         max_size;    /* of the symcache */
    unsigned                      opened:1;
    unsigned                      saved:1;
    unsigned                      last:1;      /* in ends the text */
    unsigned                      done:1;      /* the symcache is complete */
} ngx_tecken_symbuild_parse_t;


struct ngx_tecken_symbuild_s {
    ngx_tecken_symbuild_conf_t    conf;
    ngx_tecken_symbuild_stat_t    stat;

    ngx_tecken_symbufs_t          in;          /* of the source */
    ngx_tecken_symbufs_t          text;        /* inflated, to be parsed */
    ngx_tecken_symbufs_t          free;
    ngx_uint_t                    nin;         /* of the source, anywhere */
    ngx_uint_t                    ntext;       /* for text, anywhere */

    ngx_tecken_symbuild_inflate_t inflate;
    ngx_tecken_symbuild_parse_t   parse;

    ngx_int_t                     rc;
    ngx_tecken_symbuild_reason_e  reason;
    const char                   *broken;      /* the gzip stream */
    ngx_tecken_symcache_ref_t    *ref;
    ngx_queue_t                   queue;

    unsigned                      started:1;
    unsigned                      sniffed:1;
    unsigned                      gzip:1;
    unsigned                      eof:1;       /* of the source */
    unsigned                      inflated:1;  /* all of it is text */
    unsigned                      full:1;      /* no more is needed */
    unsigned                      paused:1;
    unsigned                      inflating:1; /* in a thread */
    unsigned                      stepping:1;  /* likewise */
    unsigned                      dead:1;

    u_char                        error[256];  /* in words */
    u_char                        id[1];
};


#define ngx_tecken_symbufs_init(bufs)                                         \
    (bufs)->first = NULL; (bufs)->last = NULL; (bufs)->n = 0

void ngx_tecken_symbufs_add(ngx_tecken_symbufs_t *bufs,
    ngx_tecken_symbuf_t *buf);
ngx_tecken_symbuf_t *ngx_tecken_symbufs_take(ngx_tecken_symbufs_t *bufs);

void ngx_tecken_symbufs_move(ngx_tecken_symbufs_t *to,
    ngx_tecken_symbufs_t *from);
void ngx_tecken_symbufs_free(ngx_tecken_symbufs_t *bufs);

/* an empty one, on the event loop; NULL: no memory */
ngx_tecken_symbuf_t *ngx_tecken_symbuf_get(ngx_tecken_symbuild_t *b);

/* sets stages going that can; NGX_ERROR: the build has failed, and nobody has
 * been told */
ngx_int_t ngx_tecken_symbuild_kick(ngx_tecken_symbuild_t *b);
ngx_int_t ngx_tecken_symbuild_step(ngx_tecken_symbuild_t *b,
    ngx_tecken_symbuild_step_e step);
void ngx_tecken_symbuild_failed(ngx_tecken_symbuild_t *b, ngx_int_t rc,
    const char *error);

/* frees a dead build when no thread has a part of it any more */
void ngx_tecken_symbuild_reap(ngx_tecken_symbuild_t *b);

/* in threads */
void ngx_tecken_symbuild_run_inflate(ngx_tecken_task_t *task);
void ngx_tecken_symbuild_run_step(ngx_tecken_task_t *task);

/* where it runs: gives up what there is of the symcache */
void ngx_tecken_symbuild_discard(ngx_tecken_symbuild_t *b);


#endif /* _NGX_TECKEN_SYMBUILD_RUN_H_INCLUDED_ */
