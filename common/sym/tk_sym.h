
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYM_H_INCLUDED_
#define _TK_SYM_H_INCLUDED_


/*
 * What the files that build a symcache share:
 *
 *   tk_sym_reader.c    bytes -> lines
 *   tk_sym_record.c    lines -> records; the current function is collected
 *   tk_sym_head.c      MODULE, INFO and FILE
 *   tk_sym_inline.c    INLINE_ORIGIN and INLINE
 *   tk_sym_rows.c      most line records
 *   tk_sym_func.c      a function -> entries, one for each run of addresses
 *   tk_sym_tangle.c    the same when its records overlap
 *   tk_sym_code.c      entries -> units
 *   tk_sym_merge.c     functions that overlap, PUBLICs
 *   tk_sym_names.c     names -> handles
 *   tk_symcache_write.c
 */


#include "tk_sym_hash.h"
#include "tk_symcache_build.h"
#include "tk_sym_pack.h"
#include "tk_sym_unit.h"


#define TK_SYM_LINE_MAX     (1024 * 1024)
#define TK_SYM_PAD          64          /* readable bytes behind a line */
#define TK_SYM_RANGES       (1 << 23)   /* in one function */
#define TK_SYM_ID_MAX       64
#define TK_SYM_WAITING      8           /* INLINE_ORIGINs at once */


/* an array that grows */

typedef struct {
    void            *data;
    size_t           n;
    size_t           size;              /* room, in items */
} tk_sym_vec_t;


/* a line record; file is 1 + the number of a path, 0: none */

typedef struct {
    uint32_t         addr;
    uint32_t         size;              /* at most 2^32 - 1 */
    uint32_t         line;
    uint32_t         file;
} tk_sym_row_t;


/* an INLINE record */

typedef struct {
    uint64_t         number;            /* of the INLINE_ORIGIN */
    uint32_t         origin;            /* handle of a name */
    uint32_t         file;              /* of the call */
    uint32_t         line;
    uint32_t         depth;
} tk_sym_call_t;


typedef struct {
    uint32_t         addr;
    uint32_t         size;
    uint32_t         call;              /* index */
} tk_sym_range_t;


/* an inlined call as entries see it */

typedef struct {
    uint32_t         origin;
    uint32_t         file;
    uint32_t         line;
} tk_sym_frame_t;


/* a range of an INLINE record that is accepted, and cut to its parent's */

typedef struct {
    uint64_t         end;
    uint32_t         addr;
    uint32_t         call;
} tk_sym_nested_t;


/* a way through the rows and the inlined calls of a function, by address */

typedef struct {
    uint64_t         done;              /* what is before has its entry */
    uint32_t         depth;
    uint32_t         keep;              /* calls that the coder is in */
    unsigned         inside:1;          /* there were entries in the outermost
                                         * call */
    unsigned         left:1;            /* and that has just ended */

    uint64_t         end[TK_SYM_DEPTH];
    tk_sym_frame_t   frame[TK_SYM_DEPTH];
} tk_sym_sweep_t;


typedef struct {
    uint8_t         *buf;
    uint8_t         *p;
    uint8_t         *limit;             /* behind it there is room for the
                                         * largest entry */
    uint8_t         *full;              /* no entry of the unit starts behind
                                         * it, nor behind limit */
    uint64_t         written;           /* before buf */

    uint64_t         unit;              /* its offset */
    uint32_t         name;
    uint32_t         entry;             /* address of the function */
    uint32_t         n;                 /* entries in the unit */

    uint64_t         start;             /* of the entry whose size is not
                                         * known yet */
    uint32_t         line;              /* its line, less that before */
    unsigned         pending:1;

    uint32_t         at;                /* as in a reader of the unit */
    uint32_t         places;
    uint32_t         used;              /* a bit for each that has a file */
    uint32_t         depth;
    uint32_t         live;
    uint32_t         file[TK_UNIT_PLACES];
    uint32_t         last[TK_UNIT_PLACES];
    tk_sym_slot_t    slot[TK_SYM_DEPTH];
} tk_sym_code_t;


/* a FUNC in the output */

typedef struct {
    uint32_t         start;
    uint32_t         unit;              /* index of its first */
    uint64_t         end;               /* the last address with an entry, and
                                         * one more if that is no gap */
} tk_sym_span_t;


typedef struct {
    uint32_t         addr;
    uint32_t         name;
} tk_sym_public_t;


typedef struct {
    uint32_t         start;
    uint32_t         code;              /* offset */
} tk_sym_unit_t;


/* number in a FILE or INLINE_ORIGIN -> value; 0: none */

typedef struct {
    uint32_t        *direct;
    uint32_t         ndirect;
    uint64_t        *keys;              /* number + 1, hashed; for large ones */
    uint32_t        *values;
    uint32_t         nkeys;
    uint32_t         mask;
} tk_sym_map_t;


/* a name on its way to a handle */

typedef struct {
    tk_sym_vec_t     text;              /* ready for JSON, zeros behind */
    uint64_t         hash;              /* not 0 */
    uint32_t         check;             /* more of it */
} tk_sym_name_t;


typedef struct {
    uint64_t         hash;              /* 0: free */
    uint32_t         check;
    uint32_t         handle;
} tk_sym_known_t;


typedef struct {
    tk_sym_pack_t        *pack;
    tk_sym_known_t       *known;        /* by hash */
    size_t                nknown;
    size_t                size;
    unsigned              shift;        /* from a hash to a place in known */
    uint32_t              max;          /* bytes of the longest */
} tk_sym_names_t;


/* the FUNC that is being read */

typedef struct {
    uint64_t         end;
    uint32_t         addr;
    tk_sym_name_t    name;
    unsigned         unnamed:1;
    unsigned         unsorted:1;        /* rows overlap or go down */
    unsigned         drop:1;            /* it has no address or no size */

    tk_sym_row_t    *rows;
    uint32_t         nrows;
    uint32_t         rows_size;

    tk_sym_vec_t     calls;             /* tk_sym_call_t */
    size_t           named;             /* calls whose origins are handles,
                                         * no longer numbers */
    tk_sym_vec_t     ranges;            /* tk_sym_range_t */
} tk_sym_func_t;


/* an INLINE_ORIGIN that waits for its handle */

typedef struct {
    uint64_t         number;
    tk_sym_name_t    name;
} tk_sym_origin_t;


typedef enum {
    TK_SYM_MODULE = 0,                  /* the first line */
    TK_SYM_HEAD,                        /* FILE records count */
    TK_SYM_BETWEEN,
    TK_SYM_BODY,                        /* of a FUNC */
    TK_SYM_SKIP,                        /* of a malformed FUNC */
    TK_SYM_END                          /* a STACK record was seen */
} tk_sym_state_t;


struct tk_symcache_build_s {
    tk_symcache_build_conf_t  conf;
    uint8_t           id[TK_SYM_ID_MAX];  /* conf.debug_id */
    tk_symcache_stat_t  stat;
    uint64_t          memory;

    tk_sym_error_t    code_error;
    int               error_errno;
    char              error[128];

    tk_sym_state_t    state;
    unsigned          wide:1;           /* AVX2 and BMI2 */
    unsigned          named:1;          /* no more INFO is looked at */
    unsigned          finished:1;
    unsigned          disorder:1;       /* functions overlap or go down */
    unsigned          publics_unsorted:1;
    unsigned          tied:1;           /* ranges of the same place */
    unsigned          overlong:1;       /* the rest of a line is skipped */
    uint64_t          line;             /* number, for errors */

    tk_sym_vec_t      carry;            /* an unfinished line */

    tk_sym_map_t      files;            /* 1 + index in paths */
    tk_sym_map_t      origins;          /* 1 + handle */

    tk_sym_vec_t      text;             /* paths and other texts */
    tk_sym_vec_t      paths;            /* tk_symcache_text_t */
    tk_sym_vec_t      scratch;
    tk_symcache_text_t  module;
    tk_symcache_text_t  module_name;
    tk_symcache_text_t  os;
    tk_symcache_text_t  arch;
    tk_symcache_text_t  debug_id;

    tk_sym_names_t    names;
    tk_sym_name_t     name;             /* of a PUBLIC */
    tk_sym_origin_t   waiting[TK_SYM_WAITING];
    uint32_t          nwaiting;
    uint32_t          waited;           /* the first of them */
    uint32_t          no_name;          /* handle of "" */
    uint32_t          unknown;          /* of "<unknown>" */

    tk_sym_func_t     func;
    tk_sym_vec_t      keys;             /* uint64_t, ranges in order */
    tk_sym_vec_t      heap;             /* uint64_t, ranges */
    tk_sym_vec_t      nested;           /* tk_sym_nested_t */
    uint64_t          nested_end;       /* where the last one ends */
    tk_sym_sweep_t    sweep;
    struct tk_sym_tangle_s  *tangle;

    tk_sym_code_t     code;
    tk_sym_hash_t     code_hash;
    tk_sym_vec_t      units;            /* tk_sym_unit_t */
    tk_sym_vec_t      spans;            /* tk_sym_span_t */
    tk_sym_vec_t      publics;          /* tk_sym_public_t */
};


#define tk_sym_at(type, vec, i)  (&((type *) (vec)->data)[i])


/* all return 0, or -1 after the error was set; those that take a name also
 * TK_SYM_NOT_UTF8 */

#define TK_SYM_NOT_UTF8     1

int tk_sym_fail(tk_symcache_build_t *b, tk_sym_error_t code,
    const char *text);
int tk_sym_bad(tk_symcache_build_t *b, const char *text);

void *tk_sym_alloc(tk_symcache_build_t *b, void *old, size_t old_size,
    size_t size);
void tk_sym_release(tk_symcache_build_t *b, void *p, size_t size);
void *tk_sym_map(tk_symcache_build_t *b, size_t size);
int tk_sym_vec_grow(tk_symcache_build_t *b, tk_sym_vec_t *v, size_t n,
    size_t item);

int tk_sym_rows_grow(tk_symcache_build_t *b);

int tk_sym_map_set(tk_symcache_build_t *b, tk_sym_map_t *m, uint64_t key,
    uint32_t value);
uint32_t tk_sym_map_large(const tk_sym_map_t *m, uint64_t key);

int tk_sym_read(tk_symcache_build_t *b, const uint8_t *p, size_t len);
int tk_sym_rows_wide(void);
const uint8_t *tk_sym_rows(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
const uint8_t *tk_sym_inlined(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
int tk_sym_read_end(tk_symcache_build_t *b);
int tk_sym_record(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
int tk_sym_origins(tk_symcache_build_t *b, uint32_t n);
int tk_sym_calls(tk_symcache_build_t *b);
int tk_sym_overlong(tk_symcache_build_t *b, const uint8_t *p);

int tk_sym_func_end(tk_symcache_build_t *b);
void tk_sym_sort(uint64_t *keys, size_t n);

int tk_sym_nest(tk_symcache_build_t *b);
int tk_sym_tangle(tk_symcache_build_t *b, uint64_t *end);
void tk_sym_tangle_free(tk_symcache_build_t *b);

int tk_sym_name(tk_symcache_build_t *b, const uint8_t *p, size_t len,
    uint32_t *handle);
int tk_sym_name_begin(tk_symcache_build_t *b, tk_sym_name_t *name,
    const uint8_t *p, size_t len);
int tk_sym_name_end(tk_symcache_build_t *b, tk_sym_name_t *name,
    uint32_t *handle);

int tk_sym_text(tk_symcache_build_t *b, const uint8_t *p, size_t len,
    tk_symcache_text_t *text);

int tk_sym_merge(tk_symcache_build_t *b);

int tk_sym_write(tk_symcache_build_t *b, const void *p, size_t size,
    uint64_t offset);
int tk_symcache_write(tk_symcache_build_t *b);


static inline uint32_t
tk_sym_map_get(const tk_sym_map_t *m, uint64_t key)
{
    return key < m->ndirect ? m->direct[key] : tk_sym_map_large(m, key);
}


static inline int
tk_sym_vec_room(tk_symcache_build_t *b, tk_sym_vec_t *v, size_t n,
    size_t item)
{
    return v->size - v->n >= n ? 0 : tk_sym_vec_grow(b, v, n, item);
}


#endif /* _TK_SYM_H_INCLUDED_ */
