
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_sym_path.h"


static size_t tk_sym_path_join(uint8_t *dst, const uint8_t *src, size_t len);
static int tk_sym_path_drive(const uint8_t *p, size_t len);
static size_t tk_sym_path_pop(const uint8_t *dst, size_t n, uint8_t sep);


static inline int
tk_sym_path_is_sep(uint8_t ch)
{
    return ch == '/' || ch == '\\';
}


size_t
tk_sym_path_clean(uint8_t *dst, const uint8_t *src, size_t len)
{
    int      windows, more, above;
    size_t   n, i, start, size;
    uint8_t  sep;

    if (len == 0) {
        return 0;
    }

    len = tk_sym_path_join(dst, src, len);

    windows = memchr(dst, '\\', len) || tk_sym_path_drive(dst, len);
    sep = windows ? '\\' : '/';

    n = 0;
    more = 0;
    above = 0;

    for (start = 0; start <= len; start = i + 1) {

        for (i = start; i < len; i++) {
            if (dst[i] == '/' || dst[i] == sep) {
                break;
            }
        }

        size = i - start;

        if (size == 1 && dst[start] == '.') {
            continue;
        }

        if (size == 2 && dst[start] == '.' && dst[start + 1] == '.') {

            if (!above && n) {
                n = tk_sym_path_pop(dst, n, sep);
                more = more && n;
                continue;
            }

            more = more && above;
            above = 1;
        }

        if (more) {
            dst[n++] = sep;
        }

        memmove(dst + n, dst + start, size);
        n += size;
        more = 1;
    }

    return n;
}


/* as a folder and a name, between which there is one separator */

static size_t
tk_sym_path_join(uint8_t *dst, const uint8_t *src, size_t len)
{
    size_t   n, name, folder;
    uint8_t  sep;

    for (n = len; n && tk_sym_path_is_sep(src[n - 1]); n--) { /* void */ }

    if (n == 0) {

        /* a root is a folder without a name */

        if (len > 1) {
            len--;
        }

        memmove(dst, src, len);
        return len;
    }

    for (name = n; name && !tk_sym_path_is_sep(src[name - 1]); name--) {
        /* void */
    }

    if (name == 0 || (src[name] == '<' && src[n - 1] == '>')) {
        memmove(dst, src + name, n - name);
        return n - name;
    }

    folder = name == 1 ? 1 : name - 1;
    sep = memchr(src, '\\', folder) || tk_sym_path_drive(src, folder) ? '\\'
                                                                    : '/';

    while (folder && tk_sym_path_is_sep(src[folder - 1])) {
        folder--;
    }

    memmove(dst, src, folder);
    dst[folder] = sep;
    memmove(dst + folder + 1, src + name, n - name);

    return folder + 1 + n - name;
}


static int
tk_sym_path_drive(const uint8_t *p, size_t len)
{
    uint8_t  ch;

    if (len < 3) {
        return 0;
    }

    ch = p[0] | 0x20;

    return ch >= 'a' && ch <= 'z' && p[1] == ':' && tk_sym_path_is_sep(p[2]);
}


static size_t
tk_sym_path_pop(const uint8_t *dst, size_t n, uint8_t sep)
{
    while (n && dst[n - 1] != sep && dst[n - 1] != '/') {
        n--;
    }

    return n ? n - 1 : 0;
}
