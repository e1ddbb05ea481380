
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_symbol.h"
#include "tk_uri.h"


static const uint8_t *tk_symbol_part(tk_str_t *part, const uint8_t *path,
    const uint8_t *end);
static int tk_symbol_hex(const tk_str_t *id);
static int tk_symbol_equal(const tk_str_t *a, const tk_str_t *b);
static int tk_symbol_valid_name(const tk_str_t *name);
static uint8_t *tk_symbol_copy(uint8_t *dst, const tk_str_t *src);


/* control characters and " # % ' < > [ \ ] ^ ` { | } ~ */

static const uint32_t  tk_symbol_invalid[] = {
    0xffffffff, /* 1111 1111 1111 1111  1111 1111 1111 1111 */

                /* ?>=< ;:98 7654 3210  /.-, +*)( '&%$ #"!  */
    0x500000ac, /* 0101 0000 0000 0000  0000 0000 1010 1100 */

                /* _^]\ [ZYX WVUT SRQP  ONML KJIH GFED CBA@ */
    0x78000000, /* 0111 1000 0000 0000  0000 0000 0000 0000 */

                /*  ~}| {zyx wvut srqp  onml kjih gfed cba` */
    0x78000001  /* 0111 1000 0000 0000  0000 0000 0000 0001 */
};


tk_symbol_rc_t
tk_symbol_parse(tk_symbol_t *s, const uint8_t *path, size_t len,
    const tk_str_t *products, size_t nproducts)
{
    size_t          i;
    tk_str_t        prefix;
    const uint8_t  *slash;

    static const tk_str_t  try_prefix = tk_string("try");

    if (len == 0) {
        return TK_SYMBOL_NOT_FOUND;
    }

    s->try = 0;

    slash = tk_symbol_part(&s->file, path, path + len);

    if (slash) {
        slash = tk_symbol_part(&s->debug_id, path, slash);
    }

    if (slash) {
        slash = tk_symbol_part(&s->debug_file, path, slash);
    }

    if (slash == NULL || !tk_symbol_hex(&s->debug_id)) {
        return TK_SYMBOL_NOT_FOUND;
    }

    if (slash == path) {
        return TK_SYMBOL_OK;
    }

    slash = tk_symbol_part(&prefix, path, slash);

    if (slash == NULL || slash > path) {
        return TK_SYMBOL_NOT_FOUND;
    }

    if (tk_symbol_equal(&prefix, &try_prefix)) {
        s->try = 1;
        return TK_SYMBOL_OK;
    }

    for (i = 0; i < nproducts; i++) {
        if (tk_symbol_equal(&prefix, &products[i])) {
            return TK_SYMBOL_OK;
        }
    }

    return TK_SYMBOL_LEGACY;
}


/* the component that ends at end; returns the "/" before it */

static const uint8_t *
tk_symbol_part(tk_str_t *part, const uint8_t *path, const uint8_t *end)
{
    const uint8_t  *p;

    for (p = end; p > path; p--) {
        if (p[-1] == '/') {
            break;
        }
    }

    if (p == path || p == end) {
        return NULL;
    }

    part->data = p;
    part->len = (size_t) (end - p);

    return p - 1;
}


static int
tk_symbol_hex(const tk_str_t *id)
{
    size_t   i;
    uint8_t  ch;

    for (i = 0; i < id->len; i++) {
        ch = id->data[i];

        if (ch >= '0' && ch <= '9') {
            continue;
        }

        ch |= 0x20;

        if (ch < 'a' || ch > 'f') {
            return 0;
        }
    }

    return 1;
}


static int
tk_symbol_equal(const tk_str_t *a, const tk_str_t *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}


int
tk_symbol_valid(const tk_symbol_t *s)
{
    return tk_symbol_valid_name(&s->debug_file)
           && tk_symbol_valid_name(&s->file);
}


static int
tk_symbol_valid_name(const tk_str_t *name)
{
    uint32_t        u;
    const uint8_t  *p, *last;

    if (name->len == 0) {
        return 1;
    }

    p = name->data;
    last = p + name->len;

    while (p < last) {
        u = tk_utf8_decode(&p, last);

        if (u < 0x80) {
            if (tk_symbol_invalid[u >> 5] & ((uint32_t) 1 << (u & 0x1f))) {
                return 0;
            }

        } else if (u <= 0xff || u == 0xffffffff) {
            return 0;
        }
    }

    return 1;
}


size_t
tk_symbol_key(uint8_t *dst, const tk_symbol_t *s)
{
    size_t    i;
    uint8_t  *p, ch;

    p = tk_symbol_copy(dst, &s->debug_file);
    *p++ = '/';

    for (i = 0; i < s->debug_id.len; i++) {
        ch = s->debug_id.data[i];
        *p++ = (ch >= 'a' && ch <= 'z') ? (uint8_t) (ch & ~0x20) : ch;
    }

    *p++ = '/';
    p = tk_symbol_copy(p, &s->file);

    return (size_t) (p - dst);
}


static uint8_t *
tk_symbol_copy(uint8_t *dst, const tk_str_t *src)
{
    if (src->len) {
        memcpy(dst, src->data, src->len);
    }

    return dst + src->len;
}
