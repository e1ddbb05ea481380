
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_uri.h"


static int tk_uri_hex(uint8_t ch);
static uint8_t tk_uri_decode_next(const uint8_t **p, const uint8_t *last,
    unsigned flags);
static int tk_query_match(const uint8_t *p, const uint8_t *last,
    const char *name);


/* what is not unreserved: RFC 3986, section 2.3 */

static const uint32_t  tk_uri_escape[] = {
    0xffffffff, /* 1111 1111 1111 1111  1111 1111 1111 1111 */

                /* ?>=< ;:98 7654 3210  /.-, +*)( '&%$ #"!  */
    0xfc009fff, /* 1111 1100 0000 0000  1001 1111 1111 1111 */

                /* _^]\ [ZYX WVUT SRQP  ONML KJIH GFED CBA@ */
    0x78000001, /* 0111 1000 0000 0000  0000 0000 0000 0001 */

                /*  ~}| {zyx wvut srqp  onml kjih gfed cba` */
    0xb8000001, /* 1011 1000 0000 0000  0000 0000 0000 0001 */

    0xffffffff, /* 1111 1111 1111 1111  1111 1111 1111 1111 */
    0xffffffff, /* 1111 1111 1111 1111  1111 1111 1111 1111 */
    0xffffffff, /* 1111 1111 1111 1111  1111 1111 1111 1111 */
    0xffffffff  /* 1111 1111 1111 1111  1111 1111 1111 1111 */
};


size_t
tk_uri_encode(uint8_t *dst, const uint8_t *src, size_t len, unsigned flags)
{
    size_t          n;
    uint8_t         ch;
    const uint8_t  *last;

    static const uint8_t  hex[] = "0123456789ABCDEF";

    if (len == 0) {
        return 0;
    }

    n = 0;

    for (last = src + len; src < last; src++) {
        ch = *src;

        if (!(tk_uri_escape[ch >> 5] & ((uint32_t) 1 << (ch & 0x1f)))
            || (ch == '/' && (flags & TK_URI_SLASH)))
        {
            if (dst) {
                dst[n] = ch;
            }

            n++;
            continue;
        }

        if (dst) {
            dst[n] = '%';
            dst[n + 1] = hex[ch >> 4];
            dst[n + 2] = hex[ch & 0xf];
        }

        n += 3;
    }

    return n;
}


size_t
tk_uri_decode(uint8_t *dst, const uint8_t *src, size_t len, unsigned flags)
{
    size_t          n;
    const uint8_t  *last;

    if (len == 0) {
        return 0;
    }

    n = 0;
    last = src + len;

    while (src < last) {
        dst[n++] = tk_uri_decode_next(&src, last, flags);
    }

    return n;
}


static uint8_t
tk_uri_decode_next(const uint8_t **p, const uint8_t *last, unsigned flags)
{
    int             hi, lo;
    uint8_t         ch;
    const uint8_t  *s;

    s = *p;
    ch = *s;

    if (ch == '%' && last - s > 2) {
        hi = tk_uri_hex(s[1]);
        lo = tk_uri_hex(s[2]);

        if (hi >= 0 && lo >= 0) {
            *p = s + 3;
            return (uint8_t) (hi << 4 | lo);
        }
    }

    *p = s + 1;

    return (ch == '+' && (flags & TK_URI_PLUS)) ? ' ' : ch;
}


static int
tk_uri_hex(uint8_t ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
}


uint32_t
tk_utf8_decode(const uint8_t **p, const uint8_t *last)
{
    size_t          i, n;
    uint8_t         ch, from, to;
    uint32_t        u;
    const uint8_t  *s;

    s = *p;
    ch = *s++;
    *p = s;

    if (ch < 0x80) {
        return ch;
    }

    /* the range of the second byte: RFC 3629, section 4 */

    from = 0x80;
    to = 0xbf;

    if (ch >= 0xc2 && ch <= 0xdf) {
        u = ch & 0x1f;
        n = 1;

    } else if (ch >= 0xe0 && ch <= 0xef) {
        u = ch & 0x0f;
        n = 2;
        from = (ch == 0xe0) ? 0xa0 : from;
        to = (ch == 0xed) ? 0x9f : to;

    } else if (ch >= 0xf0 && ch <= 0xf4) {
        u = ch & 0x07;
        n = 3;
        from = (ch == 0xf0) ? 0x90 : from;
        to = (ch == 0xf4) ? 0x8f : to;

    } else {
        return 0xffffffff;
    }

    if ((size_t) (last - s) < n) {
        return 0xffffffff;
    }

    for (i = 0; i < n; i++) {
        if (s[i] < from || s[i] > to) {
            return 0xffffffff;
        }

        u = u << 6 | (s[i] & 0x3f);
        from = 0x80;
        to = 0xbf;
    }

    *p = s + n;

    return u;
}


int
tk_query_find(const uint8_t *args, size_t len, const char *name,
    tk_str_t *value)
{
    int             found;
    const uint8_t  *p, *last, *end, *eq;

    if (len == 0) {
        return 0;
    }

    found = 0;

    last = args + len;

    for (p = args; p < last; p = end + 1) {

        eq = NULL;

        for (end = p; end < last && *end != '&'; end++) {
            if (*end == '=' && eq == NULL) {
                eq = end;
            }
        }

        /* "&&" holds no argument, not one with an empty name */

        if (p == end || !tk_query_match(p, eq ? eq : end, name)) {
            continue;
        }

        value->data = eq ? eq + 1 : end;
        value->len = (size_t) (end - value->data);

        found = 1;
    }

    return found;
}


static int
tk_query_match(const uint8_t *p, const uint8_t *last, const char *name)
{
    while (p < last) {

        /* a decoded NUL must not be taken for the end of the name */

        if (*name == '\0'
            || tk_uri_decode_next(&p, last, TK_URI_PLUS) != (uint8_t) *name)
        {
            return 0;
        }

        name++;
    }

    return *name == '\0';
}
