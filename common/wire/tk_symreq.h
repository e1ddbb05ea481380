
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYMREQ_H_INCLUDED_
#define _TK_SYMREQ_H_INCLUDED_


/*
 * The JSON that clients post to /symbolicate/v4 and /symbolicate/v5, checked
 * as Eliot checks it, as flat arrays.
 */


#include "tk_wire.h"


#define TK_SYMREQ_NONE    0xffffffff    /* no module */
#define TK_SYMREQ_AGAIN   0x80000000    /* the job has listed it already */

/* Python refuses to read integers that are longer */
#define TK_SYMREQ_DIGITS  4300


typedef enum {
    TK_SYMREQ_OK = 0,
    TK_SYMREQ_BAD_JSON,
    TK_SYMREQ_BAD_JOBS,
    TK_SYMREQ_TOO_MANY_JOBS,
    TK_SYMREQ_BAD_MODULES,
    TK_SYMREQ_BAD_STACKS,
    TK_SYMREQ_REASONS
} tk_symreq_reason_t;


/* what a request may have; all at least 1 */

typedef struct {
    uint32_t           jobs;
    uint32_t           stacks;      /* of a job */
    uint32_t           modules;     /* of a job, each counted once */
    uint32_t           frames;      /* of all jobs */
    uint32_t           depth;       /* of arrays and objects in each other,
                                       at most TK_JSON_DEPTH */
} tk_symreq_limits_t;


typedef enum {
    TK_SYMREQ_OFFSET = 0,
    TK_SYMREQ_NEGATIVE,             /* the offset is -1 */
    TK_SYMREQ_BIG                   /* it is more than 2^64 - 1: see
                                       tk_symreq_big() */
} tk_symreq_kind_t;


typedef struct {
    uint64_t           offset;
    uint32_t           module;      /* of modules, or TK_SYMREQ_NONE */
    uint32_t           kind;        /* tk_symreq_kind_t */
} tk_symreq_frame_t;


/* one (debug file, debug id) of all jobs; [A-Za-z0-9_.+{}@<> ~-]* both */

typedef struct {
    tk_str_t           file;
    tk_str_t           id;          /* [A-Fa-f0-9]* */
    uint32_t           frames;      /* that refer to it, in all jobs */
    uint32_t           mark;        /* the caller's, 0 at first */
} tk_symreq_module_t;


typedef struct {
    uint32_t           map;         /* its first entry of the map */
    uint32_t           nmap;
    uint32_t           stack;       /* its first stack */
    uint32_t           nstacks;
} tk_symreq_job_t;


typedef struct {
    tk_symreq_job_t     *jobs;
    uint32_t             njobs;

    /* memoryMap entries of all jobs, as they came: which of modules, with
     * TK_SYMREQ_AGAIN or without */
    uint32_t            *map;
    uint32_t             nmap;

    tk_symreq_module_t  *modules;
    uint32_t             nmodules;

    /* the first frame of each stack of all jobs, and the end of the last */
    uint32_t            *stacks;
    uint32_t             nstacks;

    tk_symreq_frame_t   *frames;
    uint32_t             nframes;

    tk_symreq_reason_t   reason;
    char                 error[128];    /* Eliot's text */

    /* private */
    const tk_symreq_limits_t  *limits;
    uint32_t            *order;     /* modules, sorted */
    uint8_t             *text;      /* what could not stay as written */
    uint32_t             text_len;
} tk_symreq_t;


/*
 * Memory that a request of len bytes of JSON may need, less than 20 times
 * its length for what limits allow; pages that nothing is written to cost
 * nothing.
 */
size_t tk_symreq_size(const tk_symreq_limits_t *limits, size_t len);

/*
 * Reads a request of a version, 4 or 5.  mem has tk_symreq_size() bytes,
 * aligned to 8; it and data stay while req is used.  Takes time in proportion
 * to len, and to the square of the number of different modules: 0.3 s for
 * 100,000.  Returns 0, or -1 with reason and error.
 */
int tk_symreq_parse(tk_symreq_t *req, const tk_symreq_limits_t *limits,
    unsigned version, const uint8_t *data, size_t len, void *mem);

/* the offset of a frame of TK_SYMREQ_BIG in hex, without "0x" */
tk_str_t tk_symreq_big(const tk_symreq_t *req, const tk_symreq_frame_t *f);


#endif /* _TK_SYMREQ_H_INCLUDED_ */
