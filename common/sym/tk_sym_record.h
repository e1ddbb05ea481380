
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYM_RECORD_H_INCLUDED_
#define _TK_SYM_RECORD_H_INCLUDED_


/* Records, by kind, and what they are made of. */


#include "tk_sym.h"
#include "tk_sym_line.h"


#define tk_sym_is(p, last, s)                                                 \
    ((size_t) ((last) - (p)) >= sizeof(s) - 1                                 \
     && memcmp(p, s, sizeof(s) - 1) == 0)


/* Cuts white space off both ends; -1 if the text is not UTF-8. */
int tk_sym_trim(const uint8_t **pp, const uint8_t **plast);

/* all return 0, or -1 after the error was set */

int tk_sym_module(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
int tk_sym_info(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
int tk_sym_file(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
int tk_sym_origin(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
int tk_sym_inline(tk_symcache_build_t *b, const uint8_t *p,
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


#endif /* _TK_SYM_RECORD_H_INCLUDED_ */
