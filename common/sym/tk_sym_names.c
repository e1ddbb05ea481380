
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "tk_json.h"
#include "tk_sym_code.h"
#include "tk_sym_line.h"
#include "tk_uri.h"


#define TK_SYM_NAMES_FIRST  12                  /* bits */


static int tk_sym_name_escape(tk_symcache_build_t *b, tk_sym_name_t *name,
    const uint8_t *p, size_t *len);
static unsigned tk_sym_name_copy(uint8_t *dst, const uint8_t *p, size_t len);
static void tk_sym_name_hash(tk_sym_name_t *name);
static int tk_sym_names_grow(tk_symcache_build_t *b);
static int tk_sym_name_add(tk_symcache_build_t *b, const tk_sym_name_t *name,
    uint32_t *handle);


/*
 * The first half of tk_sym_name(): copies the name, ready for JSON, and gets
 * the place in the table on its way to the cache.  TK_SYM_NOT_UTF8: it is no
 * name.
 */

int
tk_sym_name_begin(tk_symcache_build_t *b, tk_sym_name_t *name,
    const uint8_t *p, size_t len)
{
    int       rc;
    unsigned  special;

    name->text.n = 0;

    if (tk_sym_vec_room(b, &name->text, len + 2 * TK_SYM_PAD, 1) != 0) {
        return -1;
    }

    special = tk_sym_name_copy(name->text.data, p, len);

    rc = special ? tk_sym_name_escape(b, name, p, &len) : 0;

    if (rc != 0) {
        return rc;
    }

    name->text.n = len;
    memset((uint8_t *) name->text.data + len, 0, TK_SYM_PAD);

    tk_sym_name_hash(name);

    if (b->names.size) {
        __builtin_prefetch(&b->names.known[name->hash >> b->names.shift]);
    }

    return 0;
}


static int
tk_sym_name_escape(tk_symcache_build_t *b, tk_sym_name_t *name,
    const uint8_t *p, size_t *len)
{
    size_t          n;
    const uint8_t  *last, *q;

    n = *len;
    last = p + n;

    for (q = p; q < last; /* void */ ) {
        if (tk_utf8_decode(&q, last) == 0xffffffff) {
            return TK_SYM_NOT_UTF8;
        }
    }

    *len = tk_json_escape(NULL, p, n);

    if (tk_sym_vec_room(b, &name->text, *len + 2 * TK_SYM_PAD, 1) != 0) {
        return -1;
    }

    (void) tk_json_escape(name->text.data, p, n);

    return 0;
}


/* Copies up to 31 bytes more; is there anything that JSON needs escaped? */

static unsigned
tk_sym_name_copy(uint8_t *dst, const uint8_t *p, size_t len)
{
#ifdef __SSE2__

    size_t    i;
    __m128i   v, bad, tail;
    uint32_t  mask;

    bad = _mm_setzero_si128();
    tail = bad;

    for (i = 0; i < len; i += 16) {
        bad = _mm_or_si128(bad, tail);

        v = _mm_loadu_si128((const __m128i *) (const void *) (p + i));
        _mm_storeu_si128((__m128i *) (void *) (dst + i), v);

        /* as signed numbers, bytes above 0x7f are low ones */

        tail = _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)),
                            _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
        tail = _mm_or_si128(tail, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
        tail = _mm_or_si128(tail, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    }

    mask = (uint32_t) _mm_movemask_epi8(tail);

    if (len % 16) {
        mask &= (1u << len % 16) - 1;
    }

    return mask | (uint32_t) _mm_movemask_epi8(bad);

#else

    size_t    i;
    unsigned  bad;

    bad = 0;

    for (i = 0; i < len; i++) {
        bad |= p[i] < 0x20 || p[i] >= 0x7f || p[i] == '"' || p[i] == '\\';
        dst[i] = p[i];
    }

    return bad;

#endif
}


/* The second half. */

int
tk_sym_name_end(tk_symcache_build_t *b, tk_sym_name_t *name, uint32_t *handle)
{
    size_t           i;
    tk_sym_known_t  *k;
    tk_sym_names_t  *n;

    n = &b->names;

    if (n->nknown >= n->size / 4 * 3 && tk_sym_names_grow(b) != 0) {
        return -1;
    }

    for (i = name->hash >> n->shift; /* void */ ; i = (i + 1) & (n->size - 1))
    {
        k = &n->known[i];

        if (k->hash == name->hash && k->check == name->check) {
            *handle = k->handle;
            return 0;
        }

        if (k->hash == 0) {
            break;
        }
    }

    if (tk_sym_name_add(b, name, handle) != 0) {
        return -1;
    }

    k->hash = name->hash;
    k->check = name->check;
    k->handle = *handle;
    n->nknown++;

    if (n->max < name->text.n) {
        n->max = (uint32_t) name->text.n;
    }

    return 0;
}


/* The handle of a name, the same for the same name. */

int
tk_sym_name(tk_symcache_build_t *b, const uint8_t *p, size_t len,
    uint32_t *handle)
{
    int  rc;

    rc = tk_sym_name_begin(b, &b->name, p, len);

    return rc != 0 ? rc : tk_sym_name_end(b, &b->name, handle);
}


/*
 * 96 bits of it: names with the same hash are the same.  Where that is wrong,
 * which can be made but does not happen, a function has the name of another
 * one of its file.
 */

static void
tk_sym_name_hash(tk_sym_name_t *name)
{
    size_t             i;
    uint64_t           a, c;
    const uint8_t     *p;
    unsigned __int128  m, n;

    static const uint64_t  k[4] = {
        0x9e3779b97f4a7c15, 0xe7037ed1a0b428db, 0x8ebc6af09c88c6e3,
        0x589965cc75374cc3
    };

    p = name->text.data;
    a = name->text.n;
    c = k[0];

    /* there are zeros behind the name */

    for (i = 0; i < name->text.n; i += 32) {
        m = (unsigned __int128) (tk_sym_load(p + i) ^ a ^ k[1])
            * (tk_sym_load(p + i + 8) ^ k[2]);
        n = (unsigned __int128) (tk_sym_load(p + i + 16) ^ c ^ k[3])
            * (tk_sym_load(p + i + 24) ^ k[0]);

        a = (uint64_t) m ^ (uint64_t) (n >> 64);
        c = (uint64_t) n + (uint64_t) (m >> 64);
    }

    m = (unsigned __int128) (a ^ k[2]) * (c ^ k[1]);
    n = (unsigned __int128) (a + k[3]) * ((uint64_t) m ^ k[0]);

    name->hash = ((uint64_t) n ^ (uint64_t) (m >> 64) ^ c) | 1;
    name->check = (uint32_t) (n >> 96) ^ (uint32_t) a;
}


static int
tk_sym_names_grow(tk_symcache_build_t *b)
{
    size_t           i, k, size;
    unsigned         shift;
    tk_sym_known_t  *known;
    tk_sym_names_t  *n;

    n = &b->names;
    size = n->size ? 4 * n->size : (size_t) 1 << TK_SYM_NAMES_FIRST;
    shift = n->size ? n->shift - 2 : 64 - TK_SYM_NAMES_FIRST;

    if (size > UINT32_MAX) {
        return tk_sym_fail(b, TK_SYM_ELIMIT, "too many names");
    }

    known = tk_sym_map(b, size * sizeof(*known));
    if (known == NULL) {
        return -1;
    }

    for (i = 0; i < n->size; i++) {
        if (n->known[i].hash) {
            k = n->known[i].hash >> shift;

            while (known[k].hash) {
                k = (k + 1) & (size - 1);
            }

            known[k] = n->known[i];
        }
    }

    tk_sym_release(b, n->known, n->size * sizeof(*known));

    n->known = known;
    n->size = size;
    n->shift = shift;

    return 0;
}


/* To the code, between units. */

static int
tk_sym_name_add(tk_symcache_build_t *b, const tk_sym_name_t *name,
    uint32_t *handle)
{
    size_t    n;
    uint8_t  *start, *dst;

    start = tk_sym_code_begin(b, name->text.n + 2 * TK_SYM_PAD, handle);
    if (start == NULL) {
        return -1;
    }

    dst = start;

    for (n = name->text.n; n >= 0x80; n >>= 7) {
        *dst++ = (uint8_t) (n | 0x80);
    }

    *dst++ = (uint8_t) n;
    dst = tk_sym_pack(b->names.pack, dst, name->text.data, name->text.n);

    return tk_sym_code_end(b, start, dst);
}


/* appends a text, ready for JSON, to the section of texts */

int
tk_sym_text(tk_symcache_build_t *b, const uint8_t *p, size_t len,
    tk_symcache_text_t *text)
{
    size_t  size;

    size = tk_json_escape(NULL, p, len);

    if (b->text.n + size > UINT32_MAX) {
        return tk_sym_fail(b, TK_SYM_ELIMIT, "paths too long");
    }

    if (tk_sym_vec_room(b, &b->text, size, 1) != 0) {
        return -1;
    }

    text->offset = (uint32_t) b->text.n;
    text->size = (uint32_t) size;

    if (size) {
        (void) tk_json_escape((uint8_t *) b->text.data + b->text.n, p, len);
        b->text.n += size;
    }

    return 0;
}
