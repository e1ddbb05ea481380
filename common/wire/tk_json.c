
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_json.h"
#include "tk_uri.h"


#define TK_MALFORMED  0xffffffff
#define TK_BYTES(c)   (0x0101010101010101ULL * (c))
#define TK_LOG_UNIT   (sizeof("\\xE2\\x80\\xA8") - 1)


static const uint8_t *tk_json_plain(const uint8_t *p, const uint8_t *last);
static size_t tk_json_char(uint8_t *dst, uint32_t u);
static size_t tk_json_hex4(uint8_t *dst, uint32_t u);
static int tk_log_plain(uint32_t u);


size_t
tk_json_escape(uint8_t *dst, const uint8_t *src, size_t len)
{
    size_t          n, size;
    uint8_t         buf[12];
    const uint8_t  *last, *start;

    if (len == 0) {
        return 0;
    }

    n = 0;
    last = src + len;

    while (src < last) {

        start = src;
        src = tk_json_plain(src, last);

        if (src != start) {
            if (dst) {
                memcpy(dst + n, start, (size_t) (src - start));
            }

            n += (size_t) (src - start);
            continue;
        }

        size = tk_json_char(buf, tk_utf8_decode(&src, last));

        if (dst) {
            memcpy(dst + n, buf, size);
        }

        n += size;
    }

    return n;
}


/* the first byte that is not as it is, eight at a time */

static const uint8_t *
tk_json_plain(const uint8_t *p, const uint8_t *last)
{
    uint64_t  w, quote, backslash, del;

    while (last - p >= 8) {
        memcpy(&w, p, 8);

        quote = w ^ TK_BYTES('"');
        backslash = w ^ TK_BYTES('\\');
        del = w ^ TK_BYTES(0x7f);

        if (((w | ((w - TK_BYTES(0x20)) & ~w)
              | ((quote - TK_BYTES(1)) & ~quote)
              | ((backslash - TK_BYTES(1)) & ~backslash)
              | ((del - TK_BYTES(1)) & ~del))
             & TK_BYTES(0x80))
            != 0)
        {
            break;
        }

        p += 8;
    }

    while (p < last && *p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\') {
        p++;
    }

    return p;
}


static size_t
tk_json_char(uint8_t *dst, uint32_t u)
{
    size_t  n;

    switch (u) {

    case '"':
    case '\\':
        dst[1] = (uint8_t) u;
        break;

    case '\b':
        dst[1] = 'b';
        break;

    case '\f':
        dst[1] = 'f';
        break;

    case '\n':
        dst[1] = 'n';
        break;

    case '\r':
        dst[1] = 'r';
        break;

    case '\t':
        dst[1] = 't';
        break;

    case TK_MALFORMED:
        return tk_json_hex4(dst, 0xfffd);

    default:
        if (u <= 0xffff) {
            return tk_json_hex4(dst, u);
        }

        u -= 0x10000;
        n = tk_json_hex4(dst, 0xd800 | u >> 10);

        return n + tk_json_hex4(dst + n, 0xdc00 | (u & 0x3ff));
    }

    dst[0] = '\\';

    return 2;
}


static size_t
tk_json_hex4(uint8_t *dst, uint32_t u)
{
    static const uint8_t  hex[] = "0123456789abcdef";

    dst[0] = '\\';
    dst[1] = 'u';
    dst[2] = hex[u >> 12];
    dst[3] = hex[u >> 8 & 0xf];
    dst[4] = hex[u >> 4 & 0xf];
    dst[5] = hex[u & 0xf];

    return 6;
}


size_t
tk_log_escape(uint8_t *dst, size_t size, const uint8_t *src, size_t len)
{
    size_t          n, unit, cut, dots;
    uint8_t         buf[TK_LOG_UNIT], *p;
    const uint8_t  *last, *start;

    static const uint8_t  hex[] = "0123456789ABCDEF";

    if (len == 0) {
        return 0;
    }

    n = 0;
    cut = 0;
    dots = size < 3 ? size : 3;
    last = src + len;

    while (src < last) {

        start = src;
        p = buf;

        if (tk_log_plain(tk_utf8_decode(&src, last))) {
            while (start < src) {
                *p++ = *start++;
            }

        } else {
            while (start < src) {
                *p++ = '\\';
                *p++ = 'x';
                *p++ = hex[*start >> 4];
                *p++ = hex[*start++ & 0xf];
            }
        }

        unit = (size_t) (p - buf);

        if (unit > size - n) {
            memset(dst + cut, '.', dots);
            return cut + dots;
        }

        memcpy(dst + n, buf, unit);
        n += unit;

        /* the last place between two characters where the dots still fit */

        if (n <= size - dots) {
            cut = n;
        }
    }

    return n;
}


static int
tk_log_plain(uint32_t u)
{
    if (u < 0xa0) {
        return u >= 0x20 && u < 0x7f && u != '"' && u != '\\';
    }

    /* line separators and bidirectional controls disguise a line too */

    return u != TK_MALFORMED
           && u != 0x061c
           && !(u >= 0x200e && u <= 0x200f)
           && !(u >= 0x2028 && u <= 0x202e)
           && !(u >= 0x2066 && u <= 0x2069);
}
