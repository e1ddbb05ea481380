
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_file_key.h"

#include <string.h>


#define TK_FILE_RESERVED      ".tecken"
#define TK_FILE_RESERVED_LEN  (sizeof(TK_FILE_RESERVED) - 1)


static size_t tk_file_name_encode(uint8_t *dst, const uint8_t *src,
    size_t len);
static int tk_file_name_dotted(const uint8_t *src, size_t len);
static int tk_file_hex(uint8_t c);


size_t
tk_file_key_encode(uint8_t *dst, const uint8_t *key, size_t len)
{
    size_t          n, total;
    const uint8_t  *p, *last, *slash;

    total = 0;
    last = (len == 0) ? key : key + len;

    for (p = key; /* void */; p = slash + 1) {

        slash = (p == last) ? NULL : memchr(p, '/', (size_t) (last - p));

        n = tk_file_name_encode(dst ? dst + total : NULL, p,
                           (p == last) ? 0 : (size_t) ((slash ? slash : last)
                                                       - p));
        if (n > TK_FILE_NAME_MAX) {
            return 0;
        }

        total += n;

        if (slash == NULL) {
            return total;
        }

        if (dst) {
            dst[total] = '/';
        }

        total++;
    }
}


ssize_t
tk_file_name_decode(uint8_t *dst, const uint8_t *name, size_t len)
{
    int      hi, lo;
    size_t   i, n;
    uint8_t  again[3 * TK_FILE_NAME_MAX];

    if (len == 0 || len > TK_FILE_NAME_MAX) {
        return -1;
    }

    if (len == 1 && name[0] == '%') {
        return 0;
    }

    n = 0;

    for (i = 0; i < len; i++) {

        if (name[i] == '/') {
            return -1;
        }

        if (name[i] != '%') {
            dst[n++] = name[i];
            continue;
        }

        if (len - i < 3) {
            return -1;
        }

        hi = tk_file_hex(name[i + 1]);
        lo = tk_file_hex(name[i + 2]);

        if (hi < 0 || lo < 0 || (hi << 4 | lo) == '/') {
            return -1;
        }

        dst[n++] = (uint8_t) (hi << 4 | lo);
        i += 2;
    }

    /* one name for each key: what was encoded without need is none */

    if (tk_file_name_encode(again, dst, n) != len
        || memcmp(again, name, len) != 0)
    {
        return -1;
    }

    return (ssize_t) n;
}


static size_t
tk_file_name_encode(uint8_t *dst, const uint8_t *src, size_t len)
{
    size_t   i, n;
    uint8_t  c;

    static const uint8_t  hex[] = "0123456789ABCDEF";

    if (len == 0) {
        if (dst) {
            dst[0] = '%';
        }

        return 1;
    }

    n = 0;

    for (i = 0; i < len; i++) {
        c = src[i];

        if (c == '%' || c < 0x20 || c == 0x7f
            || (i == 0 && tk_file_name_dotted(src, len)))
        {
            if (dst) {
                dst[n] = '%';
                dst[n + 1] = hex[c >> 4];
                dst[n + 2] = hex[c & 0xf];
            }

            n += 3;

        } else {
            if (dst) {
                dst[n] = c;
            }

            n++;
        }
    }

    return n;
}


static int
tk_file_name_dotted(const uint8_t *src, size_t len)
{
    if (src[0] != '.') {
        return 0;
    }

    return len == 1
           || (len == 2 && src[1] == '.')
           || (len >= TK_FILE_RESERVED_LEN
               && memcmp(src, TK_FILE_RESERVED, TK_FILE_RESERVED_LEN) == 0);
}


static int
tk_file_hex(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }

    return -1;
}
