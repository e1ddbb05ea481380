
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_file_meta.h"

#include <stdio.h>
#include <string.h>


#define TK_FILE_META_FIRST  "tecken-object: 1\n"
#define TK_FILE_META_LAST   "end\n"


/* the names, in the order in which they are written */

enum {
    TK_META_SIZE = 0,
    TK_META_MTIME,
    TK_META_INODE,
    TK_META_CONTENT_TYPE,
    TK_META_CONTENT_ENCODING,
    TK_META_ORIGINAL_SIZE,
    TK_META_ORIGINAL_MD5,
    TK_META_UNKNOWN
};


static const tk_str_t  tk_file_meta_names[] = {
    tk_string("size"),
    tk_string("mtime"),
    tk_string("inode"),
    tk_string("content-type"),
    tk_string("content-encoding"),
    tk_string("original-size"),
    tk_string("original-md5")
};


static int tk_file_meta_line(tk_file_meta_t *meta, unsigned *seen,
    const uint8_t *line, size_t len);
static int tk_file_meta_set(tk_file_meta_t *meta, int name,
    const tk_str_t *value);
static int tk_file_meta_number(const uint8_t *p, size_t len, int64_t *value);
static int tk_file_meta_mtime(const uint8_t *p, size_t len, int64_t *sec,
    int64_t *nsec);
static int tk_file_meta_printable(const tk_str_t *value);
static uint8_t *tk_file_meta_put(uint8_t *dst, int name, const void *value,
    size_t len);
static uint8_t *tk_file_meta_put_number(uint8_t *dst, int name,
    int64_t value);


int
tk_file_meta_parse(tk_file_meta_t *meta, const uint8_t *text, size_t len)
{
    unsigned        seen;
    const uint8_t  *p, *last, *lf;

    const size_t  first_len = sizeof(TK_FILE_META_FIRST) - 1;
    const size_t  last_len = sizeof(TK_FILE_META_LAST) - 1;

    memset(meta, 0, sizeof(tk_file_meta_t));

    meta->size = -1;
    meta->sec = -1;
    meta->nsec = -1;
    meta->inode = -1;
    meta->original_size = -1;

    if (len > TK_FILE_META_MAX
        || len < first_len + last_len
        || memcmp(text, TK_FILE_META_FIRST, first_len) != 0
        || memcmp(text + len - last_len, TK_FILE_META_LAST, last_len) != 0
        || text[len - last_len - 1] != '\n')
    {
        return 0;
    }

    seen = 0;
    last = text + len - last_len;

    for (p = text + first_len; p < last; p = lf + 1) {

        /* there is one: the byte before last */
        lf = memchr(p, '\n', (size_t) (last - p));

        if (!tk_file_meta_line(meta, &seen, p, (size_t) (lf - p))) {
            return 0;
        }
    }

    return 1;
}


static int
tk_file_meta_line(tk_file_meta_t *meta, unsigned *seen, const uint8_t *line,
    size_t len)
{
    int             i;
    size_t          n;
    tk_str_t        value;
    const uint8_t  *colon;

    colon = memchr(line, ':', len);

    if (colon == NULL || colon == line || len - (size_t) (colon - line) < 3
        || colon[1] != ' ')
    {
        return 0;
    }

    n = (size_t) (colon - line);

    value.data = colon + 2;
    value.len = len - n - 2;

    if (value.len > TK_FILE_META_VALUE || !tk_file_meta_printable(&value)) {
        return 0;
    }

    for (i = 0; i < TK_META_UNKNOWN; i++) {
        if (tk_file_meta_names[i].len == n
            && memcmp(tk_file_meta_names[i].data, line, n) == 0)
        {
            if (*seen & 1u << i) {
                return 0;
            }

            *seen |= 1u << i;

            return tk_file_meta_set(meta, i, &value);
        }
    }

    return 1;
}


static int
tk_file_meta_set(tk_file_meta_t *meta, int name, const tk_str_t *value)
{
    switch (name) {

    case TK_META_SIZE:
        return tk_file_meta_number(value->data, value->len, &meta->size);

    case TK_META_MTIME:
        return tk_file_meta_mtime(value->data, value->len, &meta->sec,
                                  &meta->nsec);

    case TK_META_INODE:
        return tk_file_meta_number(value->data, value->len, &meta->inode);

    case TK_META_CONTENT_TYPE:
        meta->content_type = *value;
        return 1;

    case TK_META_CONTENT_ENCODING:
        meta->content_encoding = *value;
        return 1;

    case TK_META_ORIGINAL_SIZE:
        return tk_file_meta_number(value->data, value->len,
                                   &meta->original_size);

    default: /* TK_META_ORIGINAL_MD5 */
        meta->original_md5 = *value;
        return 1;
    }
}


static int
tk_file_meta_number(const uint8_t *p, size_t len, int64_t *value)
{
    size_t   i;
    int64_t  n;

    if (len == 0 || len > 18 || (len > 1 && p[0] == '0')) {
        return 0;
    }

    n = 0;

    for (i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return 0;
        }

        n = n * 10 + (p[i] - '0');
    }

    *value = n;

    return 1;
}


static int
tk_file_meta_mtime(const uint8_t *p, size_t len, int64_t *sec, int64_t *nsec)
{
    size_t   i;
    int64_t  n;

    if (len < 11 || p[len - 10] != '.') {
        return 0;
    }

    n = 0;

    for (i = len - 9; i < len; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return 0;
        }

        n = n * 10 + (p[i] - '0');
    }

    *nsec = n;

    return tk_file_meta_number(p, len - 10, sec);
}


static int
tk_file_meta_printable(const tk_str_t *value)
{
    size_t   i;
    uint8_t  c;

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return 0;
        }
    }

    return 1;
}


size_t
tk_file_meta_write(uint8_t *dst, const tk_file_meta_t *meta)
{
    char      mtime[48];
    size_t    i;
    uint8_t  *p;

    const tk_str_t  *value[] = { &meta->content_type, &meta->content_encoding,
                                 &meta->original_md5 };

    for (i = 0; i < sizeof(value) / sizeof(value[0]); i++) {
        if (value[i]->len > TK_FILE_META_VALUE
            || !tk_file_meta_printable(value[i]))
        {
            return 0;
        }
    }

    /* 3 * TK_FILE_META_VALUE and some 300 bytes at most */

    p = dst;

    memcpy(p, TK_FILE_META_FIRST, sizeof(TK_FILE_META_FIRST) - 1);
    p += sizeof(TK_FILE_META_FIRST) - 1;

    p = tk_file_meta_put_number(p, TK_META_SIZE, meta->size);

    if (meta->sec >= 0 && meta->nsec >= 0 && meta->nsec < 1000000000) {
        i = (size_t) snprintf(mtime, sizeof(mtime), "%lld.%09lld",
                              (long long) meta->sec, (long long) meta->nsec);
        p = tk_file_meta_put(p, TK_META_MTIME, mtime, i);
    }

    p = tk_file_meta_put_number(p, TK_META_INODE, meta->inode);

    p = tk_file_meta_put(p, TK_META_CONTENT_TYPE,
                         meta->content_type.data, meta->content_type.len);
    p = tk_file_meta_put(p, TK_META_CONTENT_ENCODING,
                         meta->content_encoding.data,
                         meta->content_encoding.len);

    p = tk_file_meta_put_number(p, TK_META_ORIGINAL_SIZE,
                                meta->original_size);
    p = tk_file_meta_put(p, TK_META_ORIGINAL_MD5,
                         meta->original_md5.data, meta->original_md5.len);

    memcpy(p, TK_FILE_META_LAST, sizeof(TK_FILE_META_LAST) - 1);
    p += sizeof(TK_FILE_META_LAST) - 1;

    return (size_t) (p - dst);
}


static uint8_t *
tk_file_meta_put(uint8_t *dst, int name, const void *value, size_t len)
{
    const tk_str_t  *s = &tk_file_meta_names[name];

    if (len == 0) {
        return dst;
    }

    memcpy(dst, s->data, s->len);
    dst += s->len;

    *dst++ = ':';
    *dst++ = ' ';

    memcpy(dst, value, len);
    dst += len;

    *dst++ = '\n';

    return dst;
}


static uint8_t *
tk_file_meta_put_number(uint8_t *dst, int name, int64_t value)
{
    int   n;
    char  text[24];

    /* what has more digits is not read back: an inode of some systems */

    if (value < 0 || value > 999999999999999999) {
        return dst;
    }

    n = snprintf(text, sizeof(text), "%lld", (long long) value);

    return tk_file_meta_put(dst, name, text, (size_t) n);
}


int
tk_file_meta_match(const tk_file_meta_t *meta, int64_t size, int64_t sec,
    int64_t nsec, int64_t inode)
{
    if (meta->size == -1) {
        return 1;
    }

    if (meta->size != size) {
        return 0;
    }

    if (meta->sec == -1 || meta->sec != sec || meta->nsec != nsec) {
        return 1;
    }

    return (meta->inode == -1 || meta->inode != inode) ? 2 : 3;
}
