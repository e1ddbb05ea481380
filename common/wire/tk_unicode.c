
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_json.h"
#include "tk_unicode.h"
#include "tk_uri.h"


static size_t tk_utf8_begun(const uint8_t *p, const uint8_t *last);
static uint32_t tk_utf_unit(const uint8_t *p, unsigned width, int little);
static tk_malformed_e tk_utf_put(tk_text_t *text, uint32_t ch);
static size_t tk_utf_escape(uint8_t *dst, uint32_t ch);


static const uint8_t  tk_utf8_fffd[] = { 0xef, 0xbf, 0xbd };


int
tk_utf8_valid(const uint8_t *p, size_t len)
{
    uint64_t        word;
    const uint8_t  *last;

    if (len == 0) {
        return 1;
    }

    last = p + len;

    while (p < last) {

        if (last - p >= 8) {
            memcpy(&word, p, 8);

            if ((word & 0x8080808080808080) == 0) {
                p += 8;
                continue;
            }
        }

        if (tk_utf8_decode(&p, last) == 0xffffffff) {
            return 0;
        }
    }

    return 1;
}


tk_malformed_e
tk_utf8_replace(tk_text_t *text, const uint8_t *p, size_t len)
{
    const uint8_t   *last, *start, *from;
    tk_malformed_e   rc;

    if (len == 0) {
        return TK_MALFORMED_NONE;
    }

    from = p;
    last = p + len;

    while (p < last) {

        start = p;

        if (tk_utf8_decode(&p, last) != 0xffffffff) {
            continue;
        }

        rc = tk_text_put(text, from, (size_t) (start - from));

        if (rc == TK_MALFORMED_NONE) {
            rc = tk_text_put(text, tk_utf8_fffd, sizeof(tk_utf8_fffd));
        }

        if (rc != TK_MALFORMED_NONE) {
            return rc;
        }

        p = start + tk_utf8_begun(start, last);
        from = p;
    }

    return tk_text_put(text, from, (size_t) (last - from));
}


/* bytes of a character that is wrong only in what follows; at least one */

static size_t
tk_utf8_begun(const uint8_t *p, const uint8_t *last)
{
    size_t   n, want;
    uint8_t  low, high;

    want = (p[0] >= 0xc2 && p[0] <= 0xdf) ? 2
           : ((p[0] & 0xf0) == 0xe0) ? 3
           : (p[0] >= 0xf0 && p[0] <= 0xf4) ? 4
           : 1;

    low = (p[0] == 0xe0) ? 0xa0 : (p[0] == 0xf0) ? 0x90 : 0x80;
    high = (p[0] == 0xed) ? 0x9f : (p[0] == 0xf4) ? 0x8f : 0xbf;

    for (n = 1; n < want && p + n < last; n++) {

        if (p[n] < low || p[n] > high) {
            break;
        }

        low = 0x80;
        high = 0xbf;
    }

    return n;
}


size_t
tk_utf8_encode(uint8_t *dst, uint32_t ch)
{
    if (ch < 0x80) {
        dst[0] = (uint8_t) ch;
        return 1;
    }

    if (ch < 0x800) {
        dst[0] = (uint8_t) (0xc0 | ch >> 6);
        dst[1] = (uint8_t) (0x80 | (ch & 0x3f));
        return 2;
    }

    if (ch < 0x10000) {
        dst[0] = (uint8_t) (0xe0 | ch >> 12);
        dst[1] = (uint8_t) (0x80 | (ch >> 6 & 0x3f));
        dst[2] = (uint8_t) (0x80 | (ch & 0x3f));
        return 3;
    }

    dst[0] = (uint8_t) (0xf0 | ch >> 18);
    dst[1] = (uint8_t) (0x80 | (ch >> 12 & 0x3f));
    dst[2] = (uint8_t) (0x80 | (ch >> 6 & 0x3f));
    dst[3] = (uint8_t) (0x80 | (ch & 0x3f));

    return 4;
}


size_t
tk_json_escape_wide(uint8_t *dst, const uint8_t *p, size_t len)
{
    size_t          n;
    uint32_t        ch;
    const uint8_t  *next, *last;

    if (len == 0) {
        return 0;
    }

    n = 0;
    next = p;
    last = p + len;

    while ((next = memchr(next, 0xed, (size_t) (last - next))) != NULL) {

        if (last - next < 3 || next[1] < 0xa0) {
            next++;
            continue;
        }

        n += tk_json_escape(dst + n, p, (size_t) (next - p));

        ch = 0xd000 | (uint32_t) (next[1] & 0x3f) << 6
             | (uint32_t) (next[2] & 0x3f);
        n += tk_utf_escape(dst + n, ch);

        next += 3;
        p = next;
    }

    return n + tk_json_escape(dst + n, p, (size_t) (last - p));
}


tk_malformed_e
tk_latin1(tk_text_t *text, const uint8_t *p, size_t len)
{
    size_t          i, n;
    uint8_t         buf[4];
    tk_malformed_e  rc;

    rc = TK_MALFORMED_NONE;

    for (i = 0; i < len && rc == TK_MALFORMED_NONE; i++) {
        n = tk_utf8_encode(buf, p[i]);
        rc = tk_text_put(text, buf, n);
    }

    return rc;
}


unsigned
tk_json_width(const uint8_t *p, size_t len, int *little, size_t *mark)
{
    *mark = 0;
    *little = 0;

    if (len >= 4) {
        if (memcmp(p, "\xff\xfe\0\0", 4) == 0) {
            *little = 1;
            *mark = 4;
            return 4;
        }

        if (memcmp(p, "\0\0\xfe\xff", 4) == 0) {
            *mark = 4;
            return 4;
        }
    }

    if (len >= 2 && p[0] == 0xff && p[1] == 0xfe) {
        *little = 1;
        *mark = 2;
        return 2;
    }

    if (len >= 2 && p[0] == 0xfe && p[1] == 0xff) {
        *mark = 2;
        return 2;
    }

    /* the first two characters of JSON are ASCII */

    if (len >= 4) {
        if (p[0] == 0) {
            return p[1] ? 2 : 4;
        }

        if (p[1] == 0) {
            *little = 1;
            return (p[2] || p[3]) ? 2 : 4;
        }

    } else if (len == 2) {
        if (p[0] == 0) {
            return 2;
        }

        if (p[1] == 0) {
            *little = 1;
            return 2;
        }
    }

    return 1;
}


tk_malformed_e
tk_json_utf(tk_text_t *text, const uint8_t *p, size_t len)
{
    int              little;
    size_t           mark;
    uint32_t         ch, low;
    unsigned         width;
    const uint8_t   *last;
    tk_malformed_e   rc;

    width = tk_json_width(p, len, &little, &mark);

    if (len % width) {
        return TK_MALFORMED_JSON;
    }

    last = p + len;

    for (p += mark; p < last; p += width) {

        ch = tk_utf_unit(p, width, little);

        if (ch > 0x10ffff) {
            return TK_MALFORMED_JSON;
        }

        if (width == 2 && (ch & 0xfc00) == 0xd800 && last - p >= 4) {
            low = tk_utf_unit(p + 2, width, little);

            if ((low & 0xfc00) == 0xdc00) {
                ch = 0x10000 + ((ch & 0x3ff) << 10) + (low & 0x3ff);
                p += 2;
            }
        }

        rc = tk_utf_put(text, ch);

        if (rc != TK_MALFORMED_NONE) {
            return rc;
        }
    }

    return TK_MALFORMED_NONE;
}


static uint32_t
tk_utf_unit(const uint8_t *p, unsigned width, int little)
{
    unsigned  i;
    uint32_t  u;

    for (i = 0, u = 0; i < width; i++) {
        u = u << 8 | p[little ? width - 1 - i : i];
    }

    return u;
}


static tk_malformed_e
tk_utf_put(tk_text_t *text, uint32_t ch)
{
    size_t   n;
    uint8_t  buf[6];

    n = ((ch & 0xfffff800) == 0xd800) ? tk_utf_escape(buf, ch)
                                      : tk_utf8_encode(buf, ch);

    return tk_text_put(text, buf, n);
}


static size_t
tk_utf_escape(uint8_t *dst, uint32_t ch)
{
    size_t  i;

    static const uint8_t  hex[] = "0123456789abcdef";

    dst[0] = '\\';
    dst[1] = 'u';

    for (i = 0; i < 4; i++) {
        dst[2 + i] = hex[ch >> (12 - 4 * i) & 0xf];
    }

    return 6;
}
