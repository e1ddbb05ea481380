
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tk_symreq_job.h"


/*
 * The text is read twice at most levels: once to see that it is JSON at all,
 * which comes before every other check, and where its keys are; then what the
 * last of equal keys has.  From the second time on nothing can be malformed.
 */


/* the shortest an element can be, with its comma */

#define TK_SYMREQ_MIN_JOB     2     /* 1, */
#define TK_SYMREQ_MIN_ENTRY   8     /* ["",""], */
#define TK_SYMREQ_MIN_STACK   3     /* [], */
#define TK_SYMREQ_MIN_FRAME   6     /* [0,0], */


/* where values begin, 0: there is none */

typedef struct {
    uint32_t          jobs;
    uint32_t          stacks;
    uint32_t          map;
    uint32_t          object;       /* it is one */
} tk_symreq_keys_t;


static uint32_t tk_symreq_count(uint64_t limit, size_t len, size_t min);
static size_t tk_symreq_arrays(tk_symreq_t *req, size_t len, uint8_t *mem);
static int tk_symreq_top(tk_symreq_ctx_t *c, unsigned version,
    tk_symreq_keys_t *keys);
static int tk_symreq_keys(tk_symreq_ctx_t *c, tk_json_reader_t *rd,
    tk_symreq_keys_t *keys);
static void tk_symreq_found(tk_symreq_t *req, const tk_symreq_keys_t *keys);
static int tk_symreq_jobs(tk_symreq_ctx_t *c, uint32_t pos);
static int tk_symreq_no_list(tk_symreq_ctx_t *c, tk_json_reader_t *rd,
    tk_json_token_t token);
static int tk_symreq_job(tk_symreq_ctx_t *c);


/* how many, each of min bytes at least, fit in len bytes; the last one has no
 * comma */

static uint32_t
tk_symreq_count(uint64_t limit, size_t len, size_t min)
{
    len = len / min + 1;

    return (uint32_t) (limit < len ? limit : len);
}


size_t
tk_symreq_size(const tk_symreq_limits_t *limits, size_t len)
{
    tk_symreq_t  req;

    req.limits = limits;

    return len > INT32_MAX ? 8 : tk_symreq_arrays(&req, len, NULL);
}


/* the arrays in mem, those of larger elements first; mem may be NULL */

static size_t
tk_symreq_arrays(tk_symreq_t *req, size_t len, uint8_t *mem)
{
    size_t                     size, at[6];
    uint32_t                   jobs, map, modules, stacks, frames;
    const tk_symreq_limits_t  *limits;

    limits = req->limits;

    jobs = tk_symreq_count(limits->jobs, len, TK_SYMREQ_MIN_JOB);
    map = tk_symreq_count(UINT32_MAX, len, TK_SYMREQ_MIN_ENTRY);
    modules = tk_symreq_count((uint64_t) limits->jobs * limits->modules, len,
                              TK_SYMREQ_MIN_ENTRY);
    stacks = tk_symreq_count((uint64_t) limits->jobs * limits->stacks, len,
                             TK_SYMREQ_MIN_STACK);
    frames = tk_symreq_count(limits->frames, len, TK_SYMREQ_MIN_FRAME);

    size = modules * sizeof(tk_symreq_module_t);
    at[0] = size;
    size += frames * sizeof(tk_symreq_frame_t);
    at[1] = size;
    size += jobs * sizeof(tk_symreq_job_t);
    at[2] = size;
    size += ((size_t) stacks + 1) * sizeof(uint32_t);
    at[3] = size;
    size += map * sizeof(uint32_t);
    at[4] = size;
    size += modules * sizeof(uint32_t);
    at[5] = size;

    if (mem) {
        req->modules = (tk_symreq_module_t *) (void *) mem;
        req->frames = (tk_symreq_frame_t *) (void *) (mem + at[0]);
        req->jobs = (tk_symreq_job_t *) (void *) (mem + at[1]);
        req->stacks = (uint32_t *) (void *) (mem + at[2]);
        req->map = (uint32_t *) (void *) (mem + at[3]);
        req->order = (uint32_t *) (void *) (mem + at[4]);
        req->text = mem + at[5];
    }

    return size + len;
}


int
tk_symreq_parse(tk_symreq_t *req, const tk_symreq_limits_t *limits,
    unsigned version, const uint8_t *data, size_t len, void *mem)
{
    uint32_t          i;
    tk_symreq_ctx_t   c;
    tk_symreq_keys_t  keys;

    memset(req, 0, sizeof(tk_symreq_t));

    req->limits = limits;

    c.req = req;
    c.data = data;
    c.len = len;
    c.job = 0;

    if (len > INT32_MAX) {
        return tk_symreq_fail(&c, TK_SYMREQ_BAD_JSON,
                              "please limit the size of the request");
    }

    (void) tk_symreq_arrays(req, len, mem);

    if (tk_symreq_top(&c, version, &keys) != 0) {
        return -1;
    }

    if (keys.jobs) {
        if (tk_symreq_jobs(&c, keys.jobs) != 0) {
            return -1;
        }

    } else {
        tk_symreq_found(req, &keys);
    }

    for (i = 0; i < req->njobs; i++) {
        c.job = i;

        if (tk_symreq_job(&c) != 0) {
            return -1;
        }
    }

    req->stacks[req->nstacks] = req->nframes;

    for (i = 0; i < req->nmodules; i++) {
        req->modules[i].mark = 0;
    }

    return 0;
}


/* is it JSON at all, and where are the keys of its object */

static int
tk_symreq_top(tk_symreq_ctx_t *c, unsigned version, tk_symreq_keys_t *keys)
{
    tk_json_token_t   token;
    tk_json_reader_t  rd;

    memset(keys, 0, sizeof(tk_symreq_keys_t));

    tk_json_reader_init(&rd, c->data, c->len, c->req->limits->depth);

    token = tk_json_next(&rd);

    if (token == TK_JSON_OBJECT) {
        (void) tk_symreq_keys(c, &rd, keys);

    } else {
        (void) tk_json_skip(&rd, token);
    }

    if (tk_json_next(&rd) != TK_JSON_END) {

        if (rd.error == TK_JSON_EDEPTH) {
            return tk_symreq_fail(c, TK_SYMREQ_BAD_JSON,
                                  "please limit nesting in the payload "
                                  "to <= %u", c->req->limits->depth);
        }

        return tk_symreq_fail(c, TK_SYMREQ_BAD_JSON,
                              "Payload is not valid JSON");
    }

    if (version == 4) {
        keys->jobs = 0;
    }

    return 0;
}


/* the members of the object that rd is in */

static int
tk_symreq_keys(tk_symreq_ctx_t *c, tk_json_reader_t *rd,
    tk_symreq_keys_t *keys)
{
    uint32_t         pos;
    tk_json_token_t  token;

    keys->object = 1;

    for ( ;; ) {
        token = tk_json_next(rd);

        if (token != TK_JSON_KEY) {
            return token == TK_JSON_OBJECT_END ? 0 : -1;
        }

        pos = (uint32_t) (rd->pos - c->data);

        /* the last of equal keys wins, as it does in Python */

        if (tk_json_is(rd, "stacks", 6)) {
            keys->stacks = pos;

        } else if (tk_json_is(rd, "memoryMap", 9)) {
            keys->map = pos;

        } else if (tk_json_is(rd, "jobs", 4)) {
            keys->jobs = pos;
        }

        if (tk_json_skip(rd, tk_json_next(rd)) != 0) {
            return -1;
        }
    }
}


/* a job before it is read: where it is, and whether it is an object */

static void
tk_symreq_found(tk_symreq_t *req, const tk_symreq_keys_t *keys)
{
    tk_symreq_job_t  *job;

    job = &req->jobs[req->njobs++];

    job->map = keys->map;
    job->stack = keys->stacks;
    job->nmap = keys->object;
    job->nstacks = 0;
}


static int
tk_symreq_jobs(tk_symreq_ctx_t *c, uint32_t pos)
{
    uint32_t          limit;
    tk_json_token_t   token;
    tk_json_reader_t  rd;
    tk_symreq_keys_t  keys;

    tk_symreq_reader(c, &rd, pos);

    limit = c->req->limits->jobs;
    token = tk_json_next(&rd);

    if (token != TK_JSON_ARRAY) {
        return tk_symreq_no_list(c, &rd, token);
    }

    while ((token = tk_json_next(&rd)) != TK_JSON_ARRAY_END) {

        if (c->req->njobs == limit) {
            return tk_symreq_fail(c, TK_SYMREQ_TOO_MANY_JOBS,
                                  "please limit number of jobs in a single "
                                  "request to <= %u", limit);
        }

        memset(&keys, 0, sizeof(tk_symreq_keys_t));

        if (token == TK_JSON_OBJECT) {
            (void) tk_symreq_keys(c, &rd, &keys);

        } else {
            (void) tk_json_skip(&rd, token);
        }

        tk_symreq_found(c->req, &keys);
    }

    return 0;
}


/* Python takes the length of a string or an object and walks over it */

static int
tk_symreq_no_list(tk_symreq_ctx_t *c, tk_json_reader_t *rd,
    tk_json_token_t token)
{
    uint32_t        n, limit;
    const uint8_t  *p, *last;

    n = 0;
    limit = c->req->limits->jobs;

    if (token == TK_JSON_STRING) {

        p = rd->text.data;
        last = p + rd->text.len;

        while (p < last && n <= limit) {
            (void) tk_json_decode_char(&p, last);
            n++;
        }

    } else if (token == TK_JSON_OBJECT) {

        while (n <= limit && tk_json_next(rd) == TK_JSON_KEY) {
            (void) tk_json_skip(rd, tk_json_next(rd));
            n++;
        }

    }

    if (n > limit) {
        return tk_symreq_fail(c, TK_SYMREQ_TOO_MANY_JOBS,
                              "please limit number of jobs in a single "
                              "request to <= %u", limit);
    }

    /* null, a number, or nothing to walk over: an error of Python's, or none */

    return tk_symreq_fail(c, TK_SYMREQ_BAD_JOBS, n ? "job 0 is invalid"
                                                   : "jobs must be a list");
}


static int
tk_symreq_job(tk_symreq_ctx_t *c)
{
    uint32_t          map, stacks;
    tk_symreq_job_t  *job;

    job = &c->req->jobs[c->job];

    map = job->map;
    stacks = job->stack;

    if (!job->nmap) {
        return tk_symreq_fail(c, TK_SYMREQ_BAD_JOBS, "job %u is invalid",
                              c->job);
    }

    if (!stacks) {
        return tk_symreq_fail(c, TK_SYMREQ_BAD_JOBS,
                              "job %u is invalid: no stacks specified",
                              c->job);
    }

    if (!map) {
        return tk_symreq_fail(c, TK_SYMREQ_BAD_JOBS,
                              "job %u is invalid: no memoryMap specified",
                              c->job);
    }

    if (tk_symreq_modules(c, map) != 0) {
        return -1;
    }

    return tk_symreq_stacks(c, stacks);
}


tk_str_t
tk_symreq_big(const tk_symreq_t *req, const tk_symreq_frame_t *f)
{
    tk_str_t  s;

    s.data = req->text + (f->offset >> 32);
    s.len = (uint32_t) f->offset;

    return s;
}


void
tk_symreq_reader(tk_symreq_ctx_t *c, tk_json_reader_t *rd, uint32_t pos)
{
    tk_json_reader_init(rd, c->data + pos, c->len - pos,
                        c->req->limits->depth);
}


int
tk_symreq_fail(tk_symreq_ctx_t *c, tk_symreq_reason_t reason,
    const char *fmt, ...)
{
    va_list  args;

    c->req->reason = reason;

    va_start(args, fmt);
    (void) vsnprintf(c->req->error, sizeof(c->req->error), fmt, args);
    va_end(args);

    return -1;
}
