
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym_record.h"


static int tk_sym_func(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
static int tk_sym_public(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
static int tk_sym_row(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);


/* a line without its newline */

int
tk_sym_record(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    b->line++;

    if (p < last && last[-1] == '\r') {
        last--;
    }

    if (b->state == TK_SYM_MODULE) {
        return tk_sym_module(b, p, last);
    }

    if (!b->named && tk_sym_info(b, p, last) != 0) {
        return -1;
    }

    if (b->state == TK_SYM_BODY) {

        if (tk_sym_is(p, last, "INLINE ")) {
            return tk_sym_inline(b, p, last);
        }

        if (p < last && *p != 'F' && *p != 'P' && *p != 'S' && *p != 'I') {
            return tk_sym_row(b, p, last);
        }
    }

    if (tk_sym_is(p, last, "FUNC ")) {
        return tk_sym_func(b, p, last);
    }

    if (tk_sym_is(p, last, "INLINE_ORIGIN ")) {

        if (b->state == TK_SYM_HEAD) {
            b->state = TK_SYM_BETWEEN;
        }

        return tk_sym_origin(b, p, last);
    }

    if (tk_sym_is(p, last, "PUBLIC ")) {
        return tk_sym_public(b, p, last);
    }

    if (tk_sym_is(p, last, "STACK ")) {

        if (b->state == TK_SYM_BODY && tk_sym_func_end(b) != 0) {
            return -1;
        }

        b->state = TK_SYM_END;

        return 0;
    }

    if (b->state == TK_SYM_BODY) {
        return tk_sym_row(b, p, last);
    }

    if (b->state == TK_SYM_HEAD) {

        if (tk_sym_is(p, last, "FILE ")) {
            return tk_sym_file(b, p, last);
        }

        if (!tk_sym_is(p, last, "INFO ") && !tk_sym_is(p, last, "MODULE ")) {
            b->state = TK_SYM_BETWEEN;
        }
    }

    return 0;
}


/* a line of more than TK_SYM_LINE_MAX bytes, of which the first ones are at
 * p */

int
tk_sym_overlong(tk_symcache_build_t *b, const uint8_t *p)
{
    int             rc;
    tk_sym_state_t  state;

    const uint8_t  *last = p + TK_SYM_PAD;

    b->line++;
    b->named = 1;
    state = b->state;

    if (state == TK_SYM_MODULE) {
        return tk_sym_fail(b, TK_SYM_EMALFORMED, "line 1: too long");
    }

    if (tk_sym_is(p, last, "STACK ") || tk_sym_is(p, last, "FUNC ")
        || tk_sym_is(p, last, "PUBLIC "))
    {
        rc = state == TK_SYM_BODY ? tk_sym_func_end(b) : 0;

        if (rc != 0) {
            return -1;
        }

        if (*p == 'S') {
            b->state = TK_SYM_END;
            return 0;
        }

        b->state = *p == 'F' ? TK_SYM_SKIP : TK_SYM_BETWEEN;

        return tk_sym_bad(b, "overlong");
    }

    if (state == TK_SYM_HEAD && !tk_sym_is(p, last, "FILE ")
        && !tk_sym_is(p, last, "INFO ") && !tk_sym_is(p, last, "MODULE "))
    {
        b->state = TK_SYM_BETWEEN;
    }

    if (state == TK_SYM_BODY || tk_sym_is(p, last, "INLINE_ORIGIN ")
        || (state == TK_SYM_HEAD && tk_sym_is(p, last, "FILE ")))
    {
        return tk_sym_bad(b, "overlong");
    }

    return 0;
}


/* FUNC [m] address size parameters [name] */

static int
tk_sym_func(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    int             rc;
    uint64_t        addr, size, params;
    tk_sym_func_t  *f;

    if (b->state == TK_SYM_BODY && tk_sym_func_end(b) != 0) {
        return -1;
    }

    b->state = TK_SYM_SKIP;
    p += sizeof("FUNC") - 1;

    if (tk_sym_trim_end(p, &last) != 0 || tk_sym_gap(&p, last) != 0) {
        return tk_sym_bad(b, "FUNC");
    }

    tk_sym_multiple(&p, last);

    if (tk_sym_hex(&p, last, &addr) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_hex(&p, last, &size) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_hex(&p, last, &params) != 0
        || (p < last && tk_sym_gap(&p, last) != 0))
    {
        return tk_sym_bad(b, "FUNC");
    }

    f = &b->func;
    f->addr = (uint32_t) addr;
    f->end = addr + size < addr ? UINT64_MAX : addr + size;
    f->drop = (size == 0 || addr > UINT32_MAX);
    f->unsorted = 0;
    f->nrows = 0;
    f->calls.n = 0;
    f->named = 0;
    f->ranges.n = 0;
    f->unnamed = (p == last);

    if (b->nwaiting && tk_sym_origins(b, b->nwaiting) != 0) {
        return -1;
    }

    if (!f->unnamed) {
        rc = tk_sym_name_begin(b, &f->name, p, (size_t) (last - p));

        if (rc != 0) {
            return rc == TK_SYM_NOT_UTF8 ? tk_sym_bad(b, "FUNC") : -1;
        }
    }

    b->state = TK_SYM_BODY;

    return 0;
}


/* PUBLIC [m] address parameters [name] */

static int
tk_sym_public(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    int               rc;
    uint32_t          name;
    uint64_t          addr, params;
    tk_sym_public_t  *public;

    if (b->state == TK_SYM_BODY && tk_sym_func_end(b) != 0) {
        return -1;
    }

    b->state = TK_SYM_BETWEEN;
    p += sizeof("PUBLIC") - 1;

    if (tk_sym_trim_end(p, &last) != 0 || tk_sym_gap(&p, last) != 0) {
        b->stat.dropped++;
        return 0;
    }

    tk_sym_multiple(&p, last);

    if (tk_sym_hex(&p, last, &addr) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_hex(&p, last, &params) != 0
        || (p < last && tk_sym_gap(&p, last) != 0))
    {
        /* symbolic passes over them, strict or not */

        b->stat.dropped++;
        return 0;
    }

    name = b->unknown;

    if (p < last) {
        rc = tk_sym_name(b, p, (size_t) (last - p), &name);

        if (rc != 0) {
            b->stat.dropped += (rc == TK_SYM_NOT_UTF8);
            return rc == TK_SYM_NOT_UTF8 ? 0 : -1;
        }
    }

    if (tk_sym_vec_room(b, &b->publics, 1, sizeof(*public)) != 0) {
        return -1;
    }

    public = tk_sym_at(tk_sym_public_t, &b->publics, b->publics.n);
    public->addr = (uint32_t) addr;
    public->name = name;

    if (b->publics.n && public[-1].addr > public->addr) {
        b->publics_unsorted = 1;
    }

    b->publics.n++;

    return 0;
}


/* address size [-]line file, where the fast way was not possible */

static int
tk_sym_row(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    int             negative;
    uint64_t        addr, size, line, file;
    tk_sym_func_t  *f;
    tk_sym_row_t   *row;

    if (tk_sym_trim(&p, &last) != 0) {
        return tk_sym_bad(b, "line");
    }

    if (p == last) {
        return 0;
    }

    if (tk_sym_hex(&p, last, &addr) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_hex(&p, last, &size) != 0 || tk_sym_gap(&p, last) != 0)
    {
        return tk_sym_bad(b, "line");
    }

    negative = (p < last && *p == '-');
    p += negative;

    if (tk_sym_dec(&p, last, &line) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_dec(&p, last, &file) != 0 || p != last)
    {
        return tk_sym_bad(b, "line");
    }

    b->stat.lines++;
    f = &b->func;

    if (size == 0 || addr < f->addr || addr >= f->end || addr > UINT32_MAX) {
        return 0;
    }

    if (f->nrows == f->rows_size && tk_sym_rows_grow(b) != 0) {
        return -1;
    }

    row = &f->rows[f->nrows];
    row->addr = (uint32_t) addr;
    row->size = size > UINT32_MAX ? UINT32_MAX : (uint32_t) size;
    row->line = negative ? 0 : (uint32_t) line;
    row->file = tk_sym_map_get(&b->files, file);

    if (f->nrows
        && (uint64_t) row[-1].addr + row[-1].size > row->addr)
    {
        f->unsorted = 1;
    }

    f->nrows++;

    return 0;
}
