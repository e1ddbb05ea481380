
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYMCACHE_BUILD_H_INCLUDED_
#define _TK_SYMCACHE_BUILD_H_INCLUDED_


/*
 * From the text of a Breakpad .sym file, in pieces of any size, to a symcache.
 * A builder allocates, has no thread of its own, and is used by one thread at
 * a time.
 *
 * The rules are those of the symbolic library, with one difference: unless
 * strict is set, a malformed record costs that record, or its function if it
 * is a FUNC, and is counted, where symbolic gives up the file.
 */


#include "tk_wire.h"


typedef struct tk_symcache_build_s  tk_symcache_build_t;


typedef enum {
    TK_SYM_OK = 0,
    TK_SYM_DONE,                    /* the rest of the text is not needed */
    TK_SYM_ERROR
} tk_sym_rc_t;


typedef enum {
    TK_SYM_ENONE = 0,

    /* what the text is: trying again gives the same */
    TK_SYM_EMALFORMED,              /* not a .sym file, or a bad record with
                                     * strict */
    TK_SYM_EID,                     /* that of another debug id */
    TK_SYM_ELIMIT,                  /* needs more than max_size or
                                     * max_memory */

    /* what happened here */
    TK_SYM_EOUTPUT,                 /* a write failed: see build_errno() */
    TK_SYM_ENOMEM
} tk_sym_error_t;


typedef struct {
    int        fd;                  /* an empty regular file, open for reading
                                     * and writing; stays open */
    unsigned   strict:1;            /* any malformed record is an error */
    unsigned   narrow:1;            /* without AVX2, to compare: the output is
                                     * the same */
    tk_str_t   debug_id;            /* the text has to be that of this id, as
                                     * it was asked for, in any case; len 0:
                                     * any id will do; copied */
    uint64_t   max_size;            /* of the output; 0: 4 GiB */
    uint64_t   max_memory;          /* that the builder allocates; 0: no
                                     * bound */
} tk_symcache_build_conf_t;


typedef struct {
    uint64_t   read;                /* bytes of text that were looked at */
    uint64_t   size;                /* of the output */
    uint64_t   functions;           /* FUNC records that are found */
    uint64_t   publics;             /* PUBLIC records that are found */
    uint64_t   lines;               /* line records */
    uint64_t   inlines;             /* INLINE records */
    uint64_t   origins;             /* INLINE_ORIGIN records */
    uint64_t   files;               /* FILE records */
    uint64_t   names;               /* different names */
    uint64_t   dropped;             /* malformed records that were left out */
    uint64_t   memory;              /* most that was allocated, bytes */
} tk_symcache_stat_t;


/* NULL: no memory. */
tk_symcache_build_t *tk_symcache_build_create(
    const tk_symcache_build_conf_t *conf);

/*
 * The next len bytes of text.  After TK_SYM_DONE further text is ignored,
 * after TK_SYM_ERROR all calls return TK_SYM_ERROR.
 */
tk_sym_rc_t tk_symcache_build_feed(tk_symcache_build_t *b,
    const uint8_t *data, size_t len);

/*
 * There is no more text: completes the file, without fsync().  Returns
 * TK_SYM_OK or TK_SYM_ERROR; fills *stat in both cases, which may be NULL.
 */
tk_sym_rc_t tk_symcache_build_finish(tk_symcache_build_t *b,
    tk_symcache_stat_t *stat);

/* What is wrong, after TK_SYM_ERROR. */
tk_sym_error_t tk_symcache_build_code(const tk_symcache_build_t *b);

/* errno of the write that failed, after TK_SYM_EOUTPUT. */
int tk_symcache_build_errno(const tk_symcache_build_t *b);

/*
 * The same in words for a log line, without bytes from the text: "line 17:
 * malformed FUNC record".  "" if nothing is wrong.  Valid until the builder
 * is destroyed.
 */
const char *tk_symcache_build_error(const tk_symcache_build_t *b);

/* At any time, also before finish(); NULL is fine. */
void tk_symcache_build_destroy(tk_symcache_build_t *b);


#endif /* _TK_SYMCACHE_BUILD_H_INCLUDED_ */
