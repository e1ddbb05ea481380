
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_MODULE_H_INCLUDED_
#define _NGX_TECKEN_MODULE_H_INCLUDED_


/*
 * The symcache of a module: from the directory, or else fetched from the
 * sources and built, once for all that ask for it in all workers.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <ngx_tecken_store.h>
#include <ngx_tecken_cache.h>
#include <ngx_tecken_symcache.h>


typedef struct ngx_tecken_fetch_s        ngx_tecken_fetch_t;
typedef struct ngx_tecken_fetch_main_s   ngx_tecken_fetch_main_t;
typedef struct ngx_tecken_module_s       ngx_tecken_module_t;

typedef void (*ngx_tecken_module_handler_pt)(ngx_tecken_module_t *m);


/* where modules come from: of a location, set by the common module's merge */

typedef struct {
    ngx_tecken_fetch_main_t       *main;
    ngx_tecken_symcache_path_t    *path;
    ngx_array_t                   *sources;       /* ngx_tecken_storage_t *,
                                                     asked in this order */

    time_t                         valid_missing; /* symcache_missing= */
    off_t                          max_symbols;   /* of a .sym, inflated */
    ngx_flag_t                     strict;

    uint64_t                       id[2];         /* of sources and strict:
                                                     part of the key */
    uint64_t                       flight[2];     /* of id and max_symbols: too
                                                     large is not for all */
} ngx_tecken_module_conf_t;


/* what the build that was waited for took; all 0 when there was none, or
 * when another worker did it */

typedef struct {
    off_t                          size;          /* of the .sym as sent */
    uint64_t                       download_usec; /* wall */
    uint64_t                       inflate_usec;  /* CPU work in the pool */
    uint64_t                       parse_usec;    /* likewise */
    uint64_t                       save_usec;     /* wall */
    unsigned                       downloaded:1;  /* a source was asked */
    unsigned                       found:1;       /* and had it */
    unsigned                       parsed:1;      /* it was a good .sym */
} ngx_tecken_module_stat_t;


struct ngx_tecken_module_s {

    /* set by the caller, the rest zeroed; must stay until release() */

    ngx_tecken_module_conf_t      *conf;
    ngx_str_t                      debug_file;    /* as the client has it */
    ngx_str_t                      debug_id;      /* likewise, hex digits of
                                                     any case and number */
    ngx_tecken_module_handler_pt   handler;
    void                          *data;
    ngx_log_t                     *log;

    /* results */

    ngx_int_t                      rc;
    ngx_tecken_symcache_ref_t     *ref;           /* if rc is NGX_OK */
    ngx_tecken_module_stat_t       stat;
    ngx_str_t                      source;        /* name of the storage that
                                                     had it or failed */
    uint64_t                       usec;          /* from get() to the end */

    unsigned                       hit:1;         /* known without a build: a
                                                     symcache, or missing */

    /* private */

    ngx_queue_t                    queue;
    ngx_tecken_symcache_op_t       open;
    ngx_tecken_symcache_key_t      key;
    uint64_t                       started;
    ngx_tecken_fetch_t            *fetch;
    ngx_uint_t                     state;
};


/*
 * Asks for a module.  NGX_AGAIN: m->handler is called later, from the event
 * loop, with m->rc set; anything else is m->rc now, and handler is not
 * called:
 *
 *   NGX_OK        m->ref is a symcache, the caller's until release()
 *   NGX_DECLINED  no source has it, or its .sym is corrupt, of another debug
 *                 id, too large: "found" is false
 *   NGX_BUSY      try again later.  With m->source: no source has it, and this
 *                 one failed in an operational way; without: too many builds
 *                 wait
 *   NGX_ERROR     this server failed (memory, disk)
 *
 * The reason of all but the first two is logged.  It never blocks: what is
 * not open already is opened in a thread.
 */
ngx_int_t ngx_tecken_module_get(ngx_tecken_module_t *m);

/*
 * Gives m->ref back, or stops waiting: handler is not called any more; a
 * build under way goes on without the caller.  Right after any result, in
 * handler too, more than once, and for an m that never was asked for.
 */
void ngx_tecken_module_release(ngx_tecken_module_t *m);

/*
 * The .sym of a module has changed in a source: when this returns its
 * symcaches and what is remembered of it are gone, in every worker.  A build
 * under way still serves those that wait for it, nobody who asks from now on,
 * and is not stored.
 */
void ngx_tecken_symcache_invalidate(ngx_tecken_fetch_main_t *main,
    ngx_str_t *debug_file, ngx_str_t *debug_id);


#endif /* _NGX_TECKEN_MODULE_H_INCLUDED_ */
