
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_fuzz.h"
#include "tk_json_read.h"
#include "tk_symreq.h"
#include "tk_uri.h"


/* All that the reader says of a text; then that a text with its end cut off
 * is no text, and that white space around it changes nothing. */

static uint64_t
walk(const uint8_t *data, size_t size, unsigned depth, tk_json_error_t *error)
{
    int               negative;
    size_t            n, all;
    uint8_t          *out;
    unsigned          level;
    uint64_t          hash, value;
    const uint8_t    *p;
    tk_json_token_t   token;
    tk_json_reader_t  rd;

    tk_json_reader_init(&rd, data, size, depth);

    hash = 14695981039346656037u;
    level = 0;

    do {
        token = tk_json_next(&rd);
        hash = (hash ^ token) * 1099511628211u;

        must(rd.pos >= data && rd.pos <= data + size);

        switch (token) {

        case TK_JSON_OBJECT:
        case TK_JSON_ARRAY:
            must(++level <= depth);
            break;

        case TK_JSON_OBJECT_END:
        case TK_JSON_ARRAY_END:
            must(level-- > 0);
            break;

        case TK_JSON_KEY:
        case TK_JSON_STRING:
            all = tk_json_decode(NULL, rd.text);
            must(all <= rd.text.len);
            must(rd.escaped || all == rd.text.len);

            out = fuzz_alloc(all);
            must(tk_json_decode(out, rd.text) == all);

            for (p = out; p < out + all; /* void */ ) {
                must(tk_utf8_decode(&p, out + all) != 0xffffffff);
            }

            /* a lone surrogate is not U+FFFD, but reads so */
            must(tk_json_is(&rd, (const char *) out, all));

            for (n = 0; n < all; n++) {
                hash = (hash ^ out[n]) * 1099511628211u;
            }

            free(out);
            break;

        case TK_JSON_INTEGER:

            if (tk_json_integer(rd.text, &negative, &value) == 0) {
                char  text[32];

                n = (size_t) snprintf(text, sizeof(text), "%s%llu",
                                      negative ? "-" : "",
                                      (unsigned long long) value);
                must(value == 0
                     || (n == rd.text.len
                         && memcmp(text, rd.text.data, n) == 0));

            } else {
                must(rd.text.len >= 20);
            }

            break;

        default:
            break;
        }

    } while (token != TK_JSON_END && token != TK_JSON_ERROR);

    must((token == TK_JSON_END) == (rd.error == TK_JSON_ENONE));
    must(token == TK_JSON_ERROR || level == 0);
    must(tk_json_next(&rd) == token);

    *error = rd.error;

    return hash;
}


static void
reader(const uint8_t *data, size_t size)
{
    uint8_t          *copy;
    uint64_t          hash;
    tk_json_error_t   error, other;

    hash = walk(data, size, 16, &error);

    if (error != TK_JSON_ENONE) {
        return;
    }

    (void) walk(data, size, TK_JSON_DEPTH, &other);
    must(other == TK_JSON_ENONE);

    copy = fuzz_alloc(size + 2);

    if (size < 3 || memcmp(data, "\xef\xbb\xbf", 3) != 0) {
        copy[0] = '\n';
        memcpy(copy + 1, data, size);
        copy[size + 1] = '\t';
        must(walk(copy, size + 2, 16, &other) == hash);
        must(other == TK_JSON_ENONE);
    }

    while (size && strchr(" \t\r\n", data[size - 1])) {
        size--;
    }

    if (data[size - 1] == '}' || data[size - 1] == ']'
        || data[size - 1] == '"')
    {
        memcpy(copy, data, size - 1);
        (void) walk(copy, size - 1, 16, &other);
        must(other != TK_JSON_ENONE);
    }

    free(copy);
}


static void
names(const tk_symreq_module_t *m)
{
    size_t  i;

    for (i = 0; i < m->file.len; i++) {
        must(m->file.data[i] != '\0' && strchr("abcdefghijklmnopqrstuvwxyz"
             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+{}@<> ~-",
             m->file.data[i]) != NULL);
    }

    for (i = 0; i < m->id.len; i++) {
        must(m->id.data[i] != '\0'
             && strchr("0123456789abcdefABCDEF", m->id.data[i]) != NULL);
    }
}


static void
valid(const tk_symreq_t *req, const tk_symreq_limits_t *limits)
{
    tk_str_t                  big;
    uint32_t                  i, j, n, maps, stacks, distinct;
    const tk_symreq_job_t    *job;
    const tk_symreq_frame_t  *f;

    must(req->njobs <= limits->jobs && req->nframes <= limits->frames);
    must(req->stacks[req->nstacks] == req->nframes);

    maps = 0;
    stacks = 0;

    for (i = 0; i < req->njobs; i++) {
        job = &req->jobs[i];

        must(job->map == maps && job->stack == stacks);
        must(job->nstacks > 0 && job->nstacks <= limits->stacks);

        maps += job->nmap;
        stacks += job->nstacks;
        distinct = 0;

        for (j = job->map; j < maps; j++) {
            n = req->map[j];
            must((n & ~TK_SYMREQ_AGAIN) < req->nmodules);
            distinct += !(n & TK_SYMREQ_AGAIN);
        }

        must(distinct <= limits->modules);
    }

    must(maps == req->nmap && stacks == req->nstacks);

    for (i = 0; i < req->nstacks; i++) {
        must(req->stacks[i] <= req->stacks[i + 1]);
    }

    n = 0;

    for (i = 0; i < req->nmodules; i++) {
        names(&req->modules[i]);
        must(req->modules[i].mark == 0);
        n += req->modules[i].frames;

        for (j = 0; j < i; j++) {
            must(req->modules[i].file.len != req->modules[j].file.len
                 || req->modules[i].id.len != req->modules[j].id.len
                 || (req->modules[i].file.len
                     && memcmp(req->modules[i].file.data,
                               req->modules[j].file.data,
                               req->modules[i].file.len)
                        != 0)
                 || (req->modules[i].id.len
                     && memcmp(req->modules[i].id.data,
                               req->modules[j].id.data,
                               req->modules[i].id.len)
                        != 0));
        }
    }

    for (i = 0; i < req->nframes; i++) {
        f = &req->frames[i];
        must(f->module == TK_SYMREQ_NONE || f->module < req->nmodules);
        n -= (f->module != TK_SYMREQ_NONE);

        if (f->kind == TK_SYMREQ_NEGATIVE) {
            must(f->offset == 1);

        } else if (f->kind == TK_SYMREQ_BIG) {
            big = tk_symreq_big(req, f);

            /* at least 2^64, without leading zeros */
            must(big.len > 16 && big.data[0] != '0');

            for (j = 0; j < big.len; j++) {
                must(strchr("0123456789abcdef", big.data[j]) != NULL);
            }
        }
    }

    must(n == 0);
}


static void
request(const uint8_t *data, size_t size, unsigned version,
    const tk_symreq_limits_t *limits)
{
    void             *mem;
    tk_symreq_t       req;
    tk_json_error_t   error;

    mem = fuzz_alloc(tk_symreq_size(limits, size));

    if (tk_symreq_parse(&req, limits, version, data, size, mem) == 0) {
        must(req.reason == TK_SYMREQ_OK);
        valid(&req, limits);

    } else {
        must(req.reason > TK_SYMREQ_OK && req.reason < TK_SYMREQ_REASONS);
        must(req.error[0] != '\0' && strlen(req.error) + 1 < sizeof(req.error));
        must(strpbrk(req.error, "\"\\") == NULL);
    }

    (void) walk(data, size, limits->depth, &error);
    must((error != TK_JSON_ENONE) == (req.reason == TK_SYMREQ_BAD_JSON));

    free(mem);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t  *copy;

    static const tk_symreq_limits_t  usual = { 10, 1000, 1000, 100000, 32 };
    static const tk_symreq_limits_t  least = { 2, 3, 2, 4, 7 };
    static const tk_symreq_limits_t  most = {
        1000000, 1000000, 1000000, 1000000, 512
    };

    copy = fuzz_alloc(size);
    memcpy(copy, data, size);

    reader(copy, size);
    request(copy, size, 5, &usual);
    request(copy, size, 4, &usual);
    request(copy, size, 5, &least);
    request(copy, size, 5, &most);

    must(memcmp(copy, data, size) == 0);
    free(copy);

    return 0;
}
