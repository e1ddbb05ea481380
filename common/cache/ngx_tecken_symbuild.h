
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_SYMBUILD_H_INCLUDED_
#define _NGX_TECKEN_SYMBUILD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_thread_pool.h>

#include <ngx_tecken_symcache.h>


/*
 * One build: the bytes of a .sym, or of a .sym.gz, as they come from the
 * event loop; inflated and parsed in threads, the two at the same time, in
 * bounded memory; and stored in the directory.
 */


/* why rc is NGX_DECLINED */

typedef enum {
    NGX_TECKEN_SYMBUILD_BAD = 1,         /* malformed, damaged, cut short */
    NGX_TECKEN_SYMBUILD_OTHER_ID,        /* that of another debug id */
    NGX_TECKEN_SYMBUILD_TOO_LARGE
} ngx_tecken_symbuild_reason_e;


typedef struct ngx_tecken_symbuild_s  ngx_tecken_symbuild_t;

typedef void (*ngx_tecken_symbuild_handler_pt)(ngx_tecken_symbuild_t *b);


typedef struct {
    ngx_tecken_symcache_path_t      *path;
    ngx_tecken_symcache_key_t       *key;         /* copied */
    ngx_str_t                        debug_id;    /* copied */
    off_t                            max_symbols; /* of the text */
    ngx_uint_t                       strict;

    ngx_thread_pool_t               *pool;        /* CPU work */
    ngx_thread_pool_t               *io_pool;

    /* more is wanted, after NGX_AGAIN from feed() */
    ngx_tecken_symbuild_handler_pt   resume;

    /* no more is needed, whatever the source still has */
    ngx_tecken_symbuild_handler_pt   enough;

    /* the end */
    ngx_tecken_symbuild_handler_pt   handler;

    void                            *data;
    ngx_log_t                       *log;         /* must outlive the build */
} ngx_tecken_symbuild_conf_t;


typedef struct {
    off_t                            fed;         /* bytes */
    off_t                            text;        /* bytes parsed */
    off_t                            size;        /* of the symcache */
    uint64_t                         dropped;     /* malformed records */
    uint64_t                         inflate_usec;   /* CPU time */
    uint64_t                         parse_usec;
    uint64_t                         save_usec;   /* wall, in the pool */
    unsigned                         gzip:1;
} ngx_tecken_symbuild_stat_t;


/* NULL: no memory.  The directory is told that a build begins. */
ngx_tecken_symbuild_t *ngx_tecken_symbuild_create(
    ngx_tecken_symbuild_conf_t *conf);

/*
 * Takes the next bytes.
 *
 *   NGX_OK     more are welcome;
 *   NGX_AGAIN  they are taken, but no more before resume is called;
 *   NGX_DONE   no more are needed;
 *   NGX_ERROR  the build has failed, as result() says.
 *
 * resume, enough and handler are called from the event loop, never from here;
 * handler is called once, unless feed() or finish() has returned NGX_ERROR.
 */
ngx_int_t ngx_tecken_symbuild_feed(ngx_tecken_symbuild_t *b, u_char *data,
    size_t len);

/* no more bytes come: NGX_AGAIN, handler is called later; or NGX_ERROR */
ngx_int_t ngx_tecken_symbuild_finish(ngx_tecken_symbuild_t *b);

/*
 * What has become of it:
 *
 *   NGX_OK        built; *ref, if ref is not NULL, is to be closed
 *   NGX_DECLINED  the text is none, *reason says why, *error in words
 *   NGX_ERROR     this server failed, *error in words; the log may have more
 *   NGX_AGAIN     not known yet
 */
ngx_int_t ngx_tecken_symbuild_result(ngx_tecken_symbuild_t *b,
    ngx_tecken_symcache_ref_t **ref, ngx_tecken_symbuild_reason_e *reason,
    ngx_str_t *error);

/* what conf has said */
void *ngx_tecken_symbuild_data(ngx_tecken_symbuild_t *b);

/* changes whenever a step is done */
void ngx_tecken_symbuild_stat(ngx_tecken_symbuild_t *b,
    ngx_tecken_symbuild_stat_t *stat);

/*
 * Ends a build at any time, also in its handlers: none is called any more.
 * What threads still have to do for it is waited for, not by the caller.
 */
void ngx_tecken_symbuild_destroy(ngx_tecken_symbuild_t *b);

/*
 * In exit_process, where the threads are gone: frees what waited for them.
 * From here on destroy() leaves nothing behind when it returns.
 */
void ngx_tecken_symbuild_exit_worker(void);


#endif /* _NGX_TECKEN_SYMBUILD_H_INCLUDED_ */
