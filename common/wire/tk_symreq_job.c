
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_symreq_job.h"


/* an element of a list of two */

typedef struct {
    tk_json_token_t   token;
    unsigned          escaped;
    tk_str_t          text;
} tk_symreq_item_t;


static int tk_symreq_name(tk_symreq_t *req, const tk_symreq_item_t *item,
    uint8_t mask, tk_str_t *name);
static uint32_t tk_symreq_module(tk_symreq_ctx_t *c,
    const tk_symreq_module_t *m, uint32_t *distinct);
static int tk_symreq_compare(const tk_symreq_module_t *a,
    const tk_symreq_module_t *b);
static int tk_symreq_stack(tk_symreq_ctx_t *c, tk_json_reader_t *rd,
    uint32_t n);
static const char *tk_symreq_frame(tk_symreq_ctx_t *c,
    const tk_symreq_item_t *items, tk_symreq_frame_t *f);
static int tk_symreq_number(const tk_symreq_item_t *item, int *negative,
    uint64_t *value);
static void tk_symreq_hex(tk_symreq_t *req, tk_str_t digits,
    tk_symreq_frame_t *f);
static int tk_symreq_pair(tk_json_reader_t *rd, tk_json_token_t token,
    tk_symreq_item_t *items);


/* characters of names, bit 0, and of ids, bit 1: [A-Za-z0-9_.+{}@<> ~-] and
 * [A-Fa-f0-9] */

#define TK_SYMREQ_FILE  1
#define TK_SYMREQ_ID    2

static const uint8_t  tk_symreq_chars[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,

    /*  !"#$%&'()*+,-./  0123456789:;<=>? */
    1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0,
    3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 0, 1, 0, 1, 0,

    /* @ABCDEFGHIJKLMNO  PQRSTUVWXYZ[\]^_ */
    1, 3, 3, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1,

    /* `abcdefghijklmno  pqrstuvwxyz{|}~ */
    0, 3, 3, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0
};


int
tk_symreq_modules(tk_symreq_ctx_t *c, uint32_t pos)
{
    uint32_t             n, distinct, limit;
    const char          *wrong;
    tk_symreq_t         *req;
    tk_json_token_t      token;
    tk_json_reader_t     rd;
    tk_symreq_item_t     items[2];
    tk_symreq_module_t   m;

    req = c->req;
    req->jobs[c->job].map = req->nmap;
    limit = req->limits->modules;
    distinct = 0;

    tk_symreq_reader(c, &rd, pos);

    if (tk_json_next(&rd) != TK_JSON_ARRAY) {
        return tk_symreq_fail(c, TK_SYMREQ_BAD_MODULES,
                              "job %u has invalid modules: modules must be a "
                              "list", c->job);
    }

    for (n = 0; (token = tk_json_next(&rd)) != TK_JSON_ARRAY_END; n++) {

        wrong = NULL;

        if (tk_symreq_pair(&rd, token, items) != 0) {
            wrong = "does not have a debug_filename and debug_id";

        } else if (tk_symreq_name(req, &items[0], TK_SYMREQ_FILE, &m.file)
                   != 0)
        {
            wrong = "has an invalid debug_filename";

        } else if (tk_symreq_name(req, &items[1], TK_SYMREQ_ID, &m.id) != 0) {
            wrong = "has an invalid debug_id";
        }

        if (wrong) {
            return tk_symreq_fail(c, TK_SYMREQ_BAD_MODULES,
                                  "job %u has invalid modules: module index "
                                  "%u %s", c->job, n, wrong);
        }

        req->map[req->nmap] = tk_symreq_module(c, &m, &distinct);

        if (req->map[req->nmap] == TK_SYMREQ_NONE) {
            return tk_symreq_fail(c, TK_SYMREQ_BAD_MODULES,
                                  "job %u has invalid modules: please limit "
                                  "number of modules in a job to <= %u",
                                  c->job, limit);
        }

        req->nmap++;
    }

    req->jobs[c->job].nmap = n;

    return 0;
}


/* Python's "$" lets a newline at the end pass: this does not */

static int
tk_symreq_name(tk_symreq_t *req, const tk_symreq_item_t *item, uint8_t mask,
    tk_str_t *name)
{
    uint8_t        *start;
    uint32_t        ch;
    const uint8_t  *p, *last;

    if (item->token != TK_JSON_STRING) {
        return -1;
    }

    *name = item->text;

    p = item->text.data;
    last = p + item->text.len;
    start = req->text + req->text_len;

    while (p < last) {

        ch = item->escaped ? tk_json_decode_char(&p, last) : *p++;

        if (ch > 127 || !(tk_symreq_chars[ch] & mask)) {
            return -1;
        }

        if (item->escaped) {
            req->text[req->text_len++] = (uint8_t) ch;
        }
    }

    if (item->escaped) {
        name->data = start;
        name->len = (size_t) (req->text + req->text_len - start);
    }

    return 0;
}


/* the entry for m, found or added; TK_SYMREQ_NONE: the job has too many */

static uint32_t
tk_symreq_module(tk_symreq_ctx_t *c, const tk_symreq_module_t *m,
    uint32_t *distinct)
{
    int                  rc;
    uint32_t             i, left, right;
    tk_symreq_t         *req;
    tk_symreq_module_t  *known;

    req = c->req;

    /* sorted, not hashed: nobody can make this slow */

    left = 0;
    right = req->nmodules;
    known = NULL;

    while (left < right) {

        i = left + (right - left) / 2;
        rc = tk_symreq_compare(m, &req->modules[req->order[i]]);

        if (rc == 0) {
            known = &req->modules[req->order[i]];
            break;
        }

        if (rc < 0) {
            right = i;

        } else {
            left = i + 1;
        }
    }

    if (known && known->mark == c->job + 1) {
        return (uint32_t) (known - req->modules) | TK_SYMREQ_AGAIN;
    }

    if (*distinct == req->limits->modules) {
        return TK_SYMREQ_NONE;
    }

    (*distinct)++;

    if (known == NULL) {

        memmove(&req->order[left + 1], &req->order[left],
                (req->nmodules - left) * sizeof(uint32_t));
        req->order[left] = req->nmodules;

        known = &req->modules[req->nmodules++];
        *known = *m;
        known->frames = 0;
    }

    known->mark = c->job + 1;

    return (uint32_t) (known - req->modules);
}


static int
tk_symreq_compare(const tk_symreq_module_t *a, const tk_symreq_module_t *b)
{
    int  rc;

    if (a->id.len != b->id.len) {
        return a->id.len < b->id.len ? -1 : 1;
    }

    rc = a->id.len ? memcmp(a->id.data, b->id.data, a->id.len) : 0;

    if (rc != 0) {
        return rc;
    }

    if (a->file.len != b->file.len) {
        return a->file.len < b->file.len ? -1 : 1;
    }

    return a->file.len ? memcmp(a->file.data, b->file.data, a->file.len) : 0;
}


int
tk_symreq_stacks(tk_symreq_ctx_t *c, uint32_t pos)
{
    uint32_t          n, limit;
    tk_symreq_t      *req;
    tk_json_token_t   token;
    tk_json_reader_t  rd;

    req = c->req;
    req->jobs[c->job].stack = req->nstacks;
    limit = req->limits->stacks;

    tk_symreq_reader(c, &rd, pos);

    if (tk_json_next(&rd) != TK_JSON_ARRAY) {
        return tk_symreq_fail(c, TK_SYMREQ_BAD_STACKS,
                              "job %u has invalid stacks: stacks must be a "
                              "list of lists", c->job);
    }

    for (n = 0; (token = tk_json_next(&rd)) != TK_JSON_ARRAY_END; n++) {

        if (token != TK_JSON_ARRAY) {
            return tk_symreq_fail(c, TK_SYMREQ_BAD_STACKS,
                                  "job %u has invalid stacks: stack %u is not "
                                  "a list", c->job, n);
        }

        if (n == limit) {
            return tk_symreq_fail(c, TK_SYMREQ_BAD_STACKS,
                                  "job %u has invalid stacks: please limit "
                                  "number of stacks in a job to <= %u",
                                  c->job, limit);
        }

        req->stacks[req->nstacks++] = req->nframes;

        if (tk_symreq_stack(c, &rd, n) != 0) {
            return -1;
        }
    }

    if (n == 0) {
        return tk_symreq_fail(c, TK_SYMREQ_BAD_STACKS,
                              "job %u has invalid stacks: no stacks specified",
                              c->job);
    }

    req->jobs[c->job].nstacks = n;

    return 0;
}


static int
tk_symreq_stack(tk_symreq_ctx_t *c, tk_json_reader_t *rd, uint32_t n)
{
    uint32_t           i, limit;
    const char        *wrong;
    tk_symreq_t       *req;
    tk_json_token_t    token;
    tk_symreq_item_t   items[2];

    req = c->req;
    limit = req->limits->frames;

    for (i = 0; (token = tk_json_next(rd)) != TK_JSON_ARRAY_END; i++) {

        if (req->nframes == limit) {
            return tk_symreq_fail(c, TK_SYMREQ_BAD_STACKS,
                                  "please limit number of frames in a single "
                                  "request to <= %u", limit);
        }

        if (tk_symreq_pair(rd, token, items) != 0) {
            wrong = "is not a list of two items";

        } else {
            wrong = tk_symreq_frame(c, items, &req->frames[req->nframes]);
        }

        if (wrong) {
            return tk_symreq_fail(c, TK_SYMREQ_BAD_STACKS,
                                  "job %u has invalid stacks: stack %u frame "
                                  "%u %s", c->job, n, i, wrong);
        }

        req->nframes++;
    }

    return 0;
}


/* what is wrong with a frame, or NULL */

static const char *
tk_symreq_frame(tk_symreq_ctx_t *c, const tk_symreq_item_t *items,
    tk_symreq_frame_t *f)
{
    int               rc, negative;
    uint64_t          index;
    tk_symreq_t      *req;
    tk_symreq_job_t  *job;

    req = c->req;
    job = &req->jobs[c->job];

    rc = tk_symreq_number(&items[0], &negative, &index);

    if (rc < 0 || (negative && index != 1)) {
        return "has an invalid module_index";
    }

    if (!negative && index >= job->nmap) {
        return "has a module_index that isn't in modules";
    }

    f->module = negative ? TK_SYMREQ_NONE
                         : req->map[job->map + index] & ~TK_SYMREQ_AGAIN;
    f->kind = TK_SYMREQ_OFFSET;

    rc = tk_symreq_number(&items[1], &negative, &f->offset);

    if (rc < 0 || (negative && f->offset != 1)) {
        return "has an invalid module_offset";
    }

    if (negative) {
        f->kind = TK_SYMREQ_NEGATIVE;

    } else if (rc > 0) {
        tk_symreq_hex(req, items[1].text, f);
    }

    if (f->module != TK_SYMREQ_NONE) {
        req->modules[f->module].frames++;
    }

    return NULL;
}


/* as Python has it True is 1; 1: the value is more than 2^64 - 1, -1: none */

static int
tk_symreq_number(const tk_symreq_item_t *item, int *negative, uint64_t *value)
{
    *negative = 0;

    switch (item->token) {

    case TK_JSON_TRUE:
        *value = 1;
        return 0;

    case TK_JSON_FALSE:
        *value = 0;
        return 0;

    case TK_JSON_INTEGER:

        if (tk_json_integer(item->text, negative, value) == 0) {
            return 0;
        }

        *value = UINT64_MAX;

        return item->text.len <= TK_SYMREQ_DIGITS ? 1 : -1;

    default:
        return -1;
    }
}


static void
tk_symreq_hex(tk_symreq_t *req, tk_str_t digits, tk_symreq_frame_t *f)
{
    int                i;
    size_t             n, j, limbs;
    uint8_t           *p;
    uint64_t           part, scale, limb[TK_SYMREQ_DIGITS / 19 + 1];
    unsigned __int128  product;

    static const char  hex[] = "0123456789abcdef";

    limb[0] = 0;
    limbs = 1;

    for (n = 0; n < digits.len; /* void */ ) {

        part = 0;
        scale = 1;

        for (i = 0; i < 19 && n < digits.len; i++, n++) {
            part = part * 10 + (uint64_t) (digits.data[n] - '0');
            scale *= 10;
        }

        for (j = 0; j < limbs; j++) {
            product = (unsigned __int128) limb[j] * scale + part;
            limb[j] = (uint64_t) product;
            part = (uint64_t) (product >> 64);
        }

        if (part) {
            limb[limbs++] = part;
        }
    }

    p = req->text + req->text_len;

    while (limbs--) {
        for (i = 60; i >= 0; i -= 4) {
            part = limb[limbs] >> i & 0xf;

            if (part || p != req->text + req->text_len) {
                *p++ = (uint8_t) hex[part];
            }
        }
    }

    n = (size_t) (p - (req->text + req->text_len));

    f->kind = TK_SYMREQ_BIG;
    f->offset = (uint64_t) req->text_len << 32 | n;

    req->text_len += (uint32_t) n;
}


/* a list of two items, whatever they are; token is its first */

static int
tk_symreq_pair(tk_json_reader_t *rd, tk_json_token_t token,
    tk_symreq_item_t *items)
{
    int  i;

    if (token != TK_JSON_ARRAY) {
        return -1;
    }

    for (i = 0; i < 2; i++) {

        token = tk_json_next(rd);

        if (token == TK_JSON_ARRAY_END) {
            return -1;
        }

        items[i].token = token;
        items[i].escaped = rd->escaped;
        items[i].text = rd->text;

        (void) tk_json_skip(rd, token);
    }

    return tk_json_next(rd) == TK_JSON_ARRAY_END ? 0 : -1;
}
