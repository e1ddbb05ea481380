
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_json.h"
#include "tk_sym.h"
#include "tk_sym_id.h"
#include "tk_sym_line.h"
#include "tk_sym_path.h"
#include "tk_uri.h"


/* symbolic looks for MODULE in so many bytes */

#define TK_SYM_HEADER  320

#define tk_sym_is(p, last, s)                                                 \
    ((size_t) ((last) - (p)) >= sizeof(s) - 1                                 \
     && memcmp(p, s, sizeof(s) - 1) == 0)


static int tk_sym_trim(const uint8_t **pp, const uint8_t **plast);
static int tk_sym_trim_utf8(const uint8_t **pp, const uint8_t **plast);
static int tk_sym_module(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
static int tk_sym_module_id(tk_symcache_build_t *b, const uint8_t *p,
    size_t len);
static int tk_sym_arch(const uint8_t *p, size_t len);
static int tk_sym_info(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
static int tk_sym_file(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
static int tk_sym_func(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
static int tk_sym_public(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
static int tk_sym_origin(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
static int tk_sym_inline(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
static int tk_sym_row(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);


/* [p, last) is readable up to TK_SYM_PAD bytes more; numbers of at most 8
 * digits, the usual ones, are read as a word */

static inline int
tk_sym_hex(const uint8_t **pp, const uint8_t *last, uint64_t *value)
{
    unsigned        n, digit;
    uint64_t        v;
    const uint8_t  *p;

    p = *pp;
    v = tk_sym_load(p);
    n = tk_sym_word(v);

    if (n > (size_t) (last - p)) {
        n = (unsigned) (last - p);
    }

    if (n && (n < 8 || p + n == last || p[n] <= ' ')
        && tk_sym_is_hex8(v, n))
    {
        *value = tk_sym_hex8(v, n);
        *pp = p + n;
        return 0;
    }

    for (v = 0; p < last; p++) {

        if (*p >= '0' && *p <= '9') {
            digit = *p - '0';

        } else if ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f') {
            digit = (*p | 0x20) - 'a' + 10u;

        } else {
            break;
        }

        if (v >> 60) {
            return -1;
        }

        v = v << 4 | digit;
    }

    if (p == *pp) {
        return -1;
    }

    *value = v;
    *pp = p;

    return 0;
}


static inline int
tk_sym_dec(const uint8_t **pp, const uint8_t *last, uint64_t *value)
{
    unsigned        n, digit;
    uint64_t        v;
    const uint8_t  *p;

    p = *pp;
    v = tk_sym_load(p);
    n = tk_sym_word(v);

    if (n > (size_t) (last - p)) {
        n = (unsigned) (last - p);
    }

    if (n && (n < 8 || p + n == last || p[n] <= ' ')
        && tk_sym_is_dec8(v, n))
    {
        *value = tk_sym_dec8(v, n);
        *pp = p + n;
        return 0;
    }

    for (v = 0; p < last && *p >= '0' && *p <= '9'; p++) {
        digit = *p - '0';

        if (v > (UINT64_MAX - digit) / 10) {
            return -1;
        }

        v = v * 10 + digit;
    }

    if (p == *pp) {
        return -1;
    }

    *value = v;
    *pp = p;

    return 0;
}


/* one separator or more */

static inline int
tk_sym_gap(const uint8_t **pp, const uint8_t *last)
{
    const uint8_t  *p;

    p = *pp;

    while (p < last
           && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
    {
        p++;
    }

    if (p == *pp) {
        return -1;
    }

    *pp = p;

    return 0;
}


/* "m ", of symbols that share their code */

static inline void
tk_sym_multiple(const uint8_t **pp, const uint8_t *last)
{
    const uint8_t  *p;

    p = *pp;

    if (p < last && *p == 'm') {
        p++;

        if (tk_sym_gap(&p, last) == 0) {
            *pp = p;
        }
    }
}


/* White_Space of Unicode */

static int
tk_sym_is_space(uint32_t u)
{
    return (u >= 0x09 && u <= 0x0d) || u == 0x20 || u == 0x85 || u == 0xa0
           || u == 0x1680 || (u >= 0x2000 && u <= 0x200a) || u == 0x2028
           || u == 0x2029 || u == 0x202f || u == 0x205f || u == 0x3000;
}


/* Cuts white space off the end; -1 if the text is not UTF-8, which is left to
 * others where the end is plain. */

static inline int
tk_sym_trim_end(const uint8_t *p, const uint8_t **last)
{
    if (p < *last && (*last)[-1] > ' ' && (*last)[-1] < 0x7f) {
        return 0;
    }

    return tk_sym_trim(&p, last);
}


/* Cuts white space off both ends; -1 if the text is not UTF-8. */

static int
tk_sym_trim(const uint8_t **pp, const uint8_t **plast)
{
    uint64_t        any;
    const uint8_t  *p, *last;

    last = *plast;
    any = 0;

    for (p = *pp; last - p >= 8; p += 8) {
        any |= tk_sym_load(p);
    }

    for ( /* void */ ; p < last; p++) {
        any |= *p;
    }

    if (any & TK_SYM_HIGHS) {
        return tk_sym_trim_utf8(pp, plast);
    }

    for (p = *pp; p < last && tk_sym_is_space(*p); p++) { /* void */ }

    *pp = p;

    while (p < last && tk_sym_is_space(last[-1])) {
        last--;
    }

    *plast = last;

    return 0;
}


static int
tk_sym_trim_utf8(const uint8_t **pp, const uint8_t **plast)
{
    unsigned        text;
    uint32_t        u;
    const uint8_t  *p, *last, *end;

    p = *pp;
    last = *plast;
    end = p;
    text = 0;

    while (p < last) {
        u = tk_utf8_decode(&p, last);

        if (u == 0xffffffff) {
            return -1;
        }

        if (!tk_sym_is_space(u)) {
            text = 1;
            end = p;

        } else if (!text) {
            *pp = p;
            end = p;
        }
    }

    *plast = end;

    return 0;
}


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


/* MODULE os arch id [name] */

static int
tk_sym_module(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    int             i;
    size_t          len;
    uint32_t        u;
    const uint8_t  *start, *end, *field[3];
    size_t          size[3];

    if (!tk_sym_is(p, last, "MODULE ")) {
        return tk_sym_fail(b, TK_SYM_EMALFORMED, "no MODULE record");
    }

    end = last;

    if (last - p > TK_SYM_HEADER) {
        last = p + TK_SYM_HEADER;
    }

    for (start = p; start < last; /* void */ ) {
        field[0] = start;
        u = tk_utf8_decode(&start, end);

        if (u == 0xffffffff) {
            return tk_sym_fail(b, TK_SYM_EMALFORMED,
                               "line 1: MODULE record is not UTF-8");
        }

        if (start > last) {
            last = field[0];
        }
    }

    p += sizeof("MODULE") - 1;

    for (i = 0; i < 3; i++) {
        if (tk_sym_gap(&p, last) != 0) {
            return tk_sym_fail(b, TK_SYM_EMALFORMED,
                               "line 1: malformed MODULE record");
        }

        field[i] = p;

        while (p < last && *p != ' ' && *p != '\t' && *p != '\r') {
            p++;
        }

        size[i] = (size_t) (p - field[i]);
    }

    if (tk_sym_module_id(b, field[2], size[2]) != 0) {
        return -1;
    }

    if (!tk_sym_arch(field[1], size[1])) {
        return tk_sym_fail(b, TK_SYM_EMALFORMED,
                           "line 1: unknown architecture");
    }

    (void) tk_sym_gap(&p, last);
    (void) tk_sym_trim(&p, &last);
    len = (size_t) (last - p);

    b->state = TK_SYM_HEAD;

    if (tk_sym_text(b, field[0], size[0], &b->os) != 0
        || tk_sym_text(b, field[1], size[1], &b->arch) != 0)
    {
        return -1;
    }

    return tk_sym_text(b, p, len, &b->module_name);
}


static int
tk_sym_module_id(tk_symcache_build_t *b, const uint8_t *p, size_t len)
{
    uint8_t      text[TK_SYM_ID_LEN];
    tk_sym_id_t  id, wanted;

    if (tk_sym_id_parse(&id, p, len) != 0) {
        return tk_sym_fail(b, TK_SYM_EMALFORMED, "line 1: bad debug id");
    }

    if (b->conf.debug_id.len
        && (tk_sym_id_parse(&wanted, b->conf.debug_id.data,
                            b->conf.debug_id.len) != 0
            || !tk_sym_id_equal(&id, &wanted)))
    {
        return tk_sym_fail(b, TK_SYM_EID, "line 1: another debug id");
    }

    return tk_sym_text(b, text, tk_sym_id_text(text, &id), &b->debug_id);
}


/* those that symbolic knows */

static int
tk_sym_arch(const uint8_t *p, size_t len)
{
    size_t       i, k;
    const char  *name;

    static const char *const  archs[] = {
        "x86_64", "x86", "arm64", "arm", "i386", "amd64", "x86_64h",
        "x86-64", "arm-64", "unknown", "x86_unknown", "x86_64_unknown",
        "arm64v8", "arm64e", "arm64_unknown", "armv5", "armv6", "armv6m",
        "armv7", "armv7f", "armv7s", "armv7k", "armv7m", "armv7em",
        "arm_unknown", "arm64_32", "arm64_32v8", "arm64_32_v8",
        "arm64_32_unknown", "ppc", "ppc64", "mips", "mips64", "wasm32"
    };

    for (i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
        name = archs[i];

        if (strlen(name) != len) {
            continue;
        }

        for (k = 0; k < len; k++) {
            if (name[k] != (p[k] >= 'A' && p[k] <= 'Z' ? p[k] | 0x20 : p[k]))
            {
                break;
            }
        }

        if (k == len) {
            return 1;
        }
    }

    return 0;
}


/*
 * Eliot's module name: the fourth word of the first INFO before FILE, FUNC
 * and PUBLIC, if that has four words.
 */

static int
tk_sym_info(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    unsigned        words;
    const uint8_t  *word;

    if (!tk_sym_is(p, last, "INFO")) {
        b->named = tk_sym_is(p, last, "FILE") || tk_sym_is(p, last, "FUNC")
                   || tk_sym_is(p, last, "PUBLIC");
        return 0;
    }

    b->named = 1;
    words = 1;

    for (word = p; p < last; p++) {
        if (*p == ' ') {
            words++;
            word = p + 1;
        }
    }

    if (words != 4 || tk_sym_trim(&word, &last) != 0) {
        return 0;
    }

    return tk_sym_text(b, word, (size_t) (last - word), &b->module);
}


/* FILE number [name] */

static int
tk_sym_file(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    size_t               len;
    uint8_t             *path;
    uint64_t             n;
    const uint8_t       *start;
    tk_symcache_text_t  *text;

    p += sizeof("FILE") - 1;

    start = p;

    if (tk_sym_trim(&start, &last) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_dec(&p, last, &n) != 0
        || (p < last && tk_sym_gap(&p, last) != 0))
    {
        /* symbolic passes over them, strict or not */

        b->stat.dropped++;
        return 0;
    }

    b->stat.files++;
    len = (size_t) (last - p);

    if (len == 0) {
        return tk_sym_map_set(b, &b->files, n, 0);
    }

    if (tk_sym_vec_room(b, &b->scratch, len, 1) != 0
        || tk_sym_vec_room(b, &b->paths, 1, sizeof(*text)) != 0)
    {
        return -1;
    }

    path = b->scratch.data;
    text = tk_sym_at(tk_symcache_text_t, &b->paths, b->paths.n);

    if (tk_sym_text(b, path, tk_sym_path_clean(path, p, len), text) != 0) {
        return -1;
    }

    /* none in answers when nothing is left of it */

    b->paths.n += (text->size != 0);

    return tk_sym_map_set(b, &b->files, n,
                          text->size ? (uint32_t) b->paths.n : 0);
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


/* INLINE_ORIGIN number name */

static int
tk_sym_origin(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    int               rc;
    uint64_t          n;
    tk_sym_origin_t  *origin;

    p += sizeof("INLINE_ORIGIN") - 1;

    if (tk_sym_trim_end(p, &last) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_dec(&p, last, &n) != 0 || tk_sym_gap(&p, last) != 0
        || p == last)
    {
        return tk_sym_bad(b, "INLINE_ORIGIN");
    }

    if ((b->nwaiting == TK_SYM_WAITING && tk_sym_origins(b, 1) != 0)
        || (b->state == TK_SYM_BODY && tk_sym_calls(b) != 0))
    {
        return -1;
    }

    origin = &b->waiting[(b->waited + b->nwaiting) % TK_SYM_WAITING];
    origin->number = n;

    rc = tk_sym_name_begin(b, &origin->name, p, (size_t) (last - p));

    if (rc != 0) {
        return rc == TK_SYM_NOT_UTF8 ? tk_sym_bad(b, "INLINE_ORIGIN") : -1;
    }

    b->stat.origins++;
    b->nwaiting++;

    return 0;
}


/* Calls get the names that are there, before another INLINE_ORIGIN. */

int
tk_sym_calls(tk_symcache_build_t *b)
{
    uint32_t        handle;
    tk_sym_func_t  *f;
    tk_sym_call_t  *call;

    f = &b->func;

    if (b->nwaiting && tk_sym_origins(b, b->nwaiting) != 0) {
        return -1;
    }

    while (f->named < f->calls.n) {
        call = tk_sym_at(tk_sym_call_t, &f->calls, f->named++);
        handle = tk_sym_map_get(&b->origins, call->number);
        call->origin = handle ? handle - 1 : b->no_name;
    }

    return 0;
}


/* The n names that wait longest: what they need has come from memory. */

int
tk_sym_origins(tk_symcache_build_t *b, uint32_t n)
{
    uint32_t          handle;
    tk_sym_origin_t  *origin;

    for ( /* void */ ; n; n--) {
        origin = &b->waiting[b->waited++ % TK_SYM_WAITING];
        b->nwaiting--;

        if (tk_sym_name_end(b, &origin->name, &handle) != 0
            || tk_sym_map_set(b, &b->origins, origin->number, handle + 1)
               != 0)
        {
            return -1;
        }
    }

    return 0;
}


/* INLINE depth line file origin 1*(address size) */

static int
tk_sym_inline(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    size_t           n;
    uint64_t         depth, line, file, origin, addr, size;
    tk_sym_func_t   *f;
    tk_sym_call_t   *call;
    tk_sym_range_t  *range;

    f = &b->func;
    n = f->ranges.n;
    p += sizeof("INLINE") - 1;

    if (tk_sym_vec_room(b, &f->calls, 1, sizeof(*call)) != 0) {
        return -1;
    }

    if (tk_sym_trim_end(p, &last) != 0
        || tk_sym_gap(&p, last) != 0 || tk_sym_dec(&p, last, &depth) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_dec(&p, last, &line) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_dec(&p, last, &file) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_dec(&p, last, &origin) != 0)
    {
        return tk_sym_bad(b, "INLINE");
    }

    do {
        if (tk_sym_gap(&p, last) != 0 || tk_sym_hex(&p, last, &addr) != 0
            || tk_sym_gap(&p, last) != 0 || tk_sym_hex(&p, last, &size) != 0)
        {
            f->ranges.n = n;
            return tk_sym_bad(b, "INLINE");
        }

        /* one behind the function takes part in the order of the others */

        if (addr < f->addr || addr > UINT32_MAX || size == 0) {
            continue;
        }

        if (tk_sym_vec_room(b, &f->ranges, 1, sizeof(*range)) != 0) {
            return -1;
        }

        range = tk_sym_at(tk_sym_range_t, &f->ranges, f->ranges.n);
        range->addr = (uint32_t) addr;
        range->size = size > UINT32_MAX ? UINT32_MAX : (uint32_t) size;
        range->call = (uint32_t) f->calls.n;
        f->ranges.n++;

    } while (p < last);

    if (depth >= TK_SYM_DEPTH || f->ranges.n > TK_SYM_RANGES
        || f->calls.n >= TK_SYM_RANGES)
    {
        f->ranges.n = n;
        b->stat.dropped++;
        return 0;
    }

    b->stat.inlines++;

    call = tk_sym_at(tk_sym_call_t, &f->calls, f->calls.n);
    call->number = origin;
    call->file = tk_sym_map_get(&b->files, file);
    call->line = (uint32_t) line;
    call->depth = (uint32_t) depth;
    f->calls.n += (f->ranges.n != n);

    return 0;
}


/* a number of up to 8 digits and the separator behind it */

#define tk_sym_number(p, v, is, of)                                           \
    do {                                                                      \
        uint64_t  word_ = tk_sym_load(p);                                     \
        unsigned  n_ = tk_sym_word(word_);                                    \
                                                                              \
        if (n_ - 1 > 7 || !is(word_, n_)) {                                   \
            return NULL;                                                      \
        }                                                                     \
                                                                              \
        v = of(word_, n_);                                                    \
        p += n_ + 1;                                                          \
    } while (0)


/*
 * The same, if it is of the usual form, with single spaces, and ends before
 * last.  Returns what is behind its newline; NULL: it is not, or an error.
 */

const uint8_t *
tk_sym_inlined(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    int              ends;
    size_t           n, end;
    uint32_t         depth, line, file, origin, addr, size;
    tk_sym_func_t   *f;
    tk_sym_call_t   *call;
    tk_sym_range_t  *range;

    f = &b->func;
    p += sizeof("INLINE ") - 1;

    tk_sym_number(p, depth, tk_sym_is_dec8, tk_sym_dec8);
    ends = p[-1] ^ ' ';
    tk_sym_number(p, line, tk_sym_is_dec8, tk_sym_dec8);
    ends |= p[-1] ^ ' ';
    tk_sym_number(p, file, tk_sym_is_dec8, tk_sym_dec8);
    ends |= p[-1] ^ ' ';
    tk_sym_number(p, origin, tk_sym_is_dec8, tk_sym_dec8);

    if (ends || depth >= TK_SYM_DEPTH || f->calls.n >= TK_SYM_RANGES
        || f->ranges.n >= TK_SYM_RANGES / 2)
    {
        return NULL;
    }

    n = f->ranges.n;
    end = n;

    do {
        if (p >= last || p[-1] != ' ') {
            return NULL;
        }

        tk_sym_number(p, addr, tk_sym_is_hex8, tk_sym_hex8);

        if (p[-1] != ' ') {
            return NULL;
        }

        tk_sym_number(p, size, tk_sym_is_hex8, tk_sym_hex8);

        if (addr < f->addr || size == 0) {
            continue;
        }

        if (f->ranges.size == end) {
            f->ranges.n = end;

            if (tk_sym_vec_room(b, &f->ranges, 1, sizeof(*range)) != 0) {
                return NULL;
            }

            f->ranges.n = n;
        }

        range = tk_sym_at(tk_sym_range_t, &f->ranges, end);
        range->addr = addr;
        range->size = size;
        range->call = (uint32_t) f->calls.n;
        end++;

    } while (p[-1] != '\n');

    if (tk_sym_vec_room(b, &f->calls, 1, sizeof(*call)) != 0) {
        return NULL;
    }

    b->stat.inlines++;
    b->line++;

    call = tk_sym_at(tk_sym_call_t, &f->calls, f->calls.n);
    call->number = origin;

    if (origin < b->origins.ndirect) {
        __builtin_prefetch(&b->origins.direct[origin]);
    }

    call->file = tk_sym_map_get(&b->files, file);
    call->line = line;
    call->depth = depth;
    f->calls.n += (end != n);
    f->ranges.n = end;

    return p;
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
