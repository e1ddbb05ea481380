
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tk_dumps.h"
#include "tk_hmac.h"


#define TK_DUMPS_MIN  4


static int tk_dumps_search(const tk_dumps_t *dumps, const uint8_t *name,
    size_t len, uint32_t *where);
static int tk_dumps_taken(const tk_dumps_t *dumps, const uint8_t *name,
    size_t len, uint32_t *where);
static size_t tk_dumps_rename(tk_dumps_t *dumps, uint32_t taken,
    uint8_t *name, size_t len);
static int tk_dumps_grow(tk_dumps_t *dumps);


static const tk_str_t  tk_dump_minidump = tk_string("upload_file_minidump");
static const tk_str_t  tk_dump_short = tk_string("dump");


size_t
tk_dump_name(uint8_t *dst, const tk_str_t *name)
{
    size_t   i, n;
    uint8_t  ch;

    for (i = 0, n = 0; i < name->len && n < TK_DUMP_NAME; i++) {
        ch = name->data[i];

        if ((ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z')
            || (ch >= '0' && ch <= '9') || ch == '_')
        {
            dst[n++] = ch;
        }
    }

    return n;
}


int
tk_dump_name_reserved(const uint8_t *name, size_t len)
{
    size_t  i;

    static const tk_str_t  reserved[] = {
        tk_string("dump_names"),
        tk_string("processed_crash"),
        tk_string("raw_crash")
    };

    for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (len == reserved[i].len
            && memcmp(name, reserved[i].data, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


void
tk_dumps_init(tk_dumps_t *dumps, uint32_t max)
{
    memset(dumps, 0, sizeof(tk_dumps_t));
    dumps->max = max ? max : TK_DUMPS;
}


void
tk_dumps_free(tk_dumps_t *dumps)
{
    free(dumps->elts);
    free(dumps->sorted);
    tk_dumps_init(dumps, dumps->max);
}


int
tk_dumps_add(tk_dumps_t *dumps, const tk_str_t *name, char *note,
    tk_malformed_e *error)
{
    size_t      len;
    uint8_t     clean[TK_DUMP_NAME];
    uint32_t    where;
    tk_dump_t  *dump;

    static const tk_str_t  unnamed = tk_string("unnamed");

    note[0] = '\0';

    len = tk_dump_name(clean, name);

    if (tk_dump_name_reserved(clean, len)) {
        *error = TK_MALFORMED_DUMP_NAME;
        return -1;
    }

    if (dumps->n == dumps->max) {
        *error = TK_MALFORMED_DUMPS;
        return -1;
    }

    if (dumps->n == dumps->size && tk_dumps_grow(dumps) != 0) {
        *error = TK_MALFORMED_NO_MEMORY;
        return -1;
    }

    dump = &dumps->elts[dumps->n];
    memset(dump, 0, sizeof(tk_dump_t));

    if (len == 0) {
        len = unnamed.len;
        memcpy(clean, unnamed.data, len);
    }

    memcpy(dump->name, clean, len);
    dump->name_len = (uint8_t) len;

    if (tk_dumps_taken(dumps, clean, len, &where)) {
        dump->name_len = (uint8_t) tk_dumps_rename(dumps, where, dump->name,
                                                   len);

        (void) snprintf(note, TK_DUMPS_NOTE,
                        "dump name %.*s is there twice, renamed to %.*s",
                        (int) len, clean, (int) dump->name_len, dump->name);

    } else if (tk_dump_name(clean, name) == 0) {
        (void) snprintf(note, TK_DUMPS_NOTE,
                        "dump name has no usable characters, renamed to %.*s",
                        (int) dump->name_len, dump->name);
    }

    (void) tk_dumps_search(dumps, dump->name, dump->name_len, &where);

    memmove(dumps->sorted + where + 1, dumps->sorted + where,
            (dumps->n - where) * sizeof(uint32_t));
    dumps->sorted[where] = dumps->n;

    return (int) dumps->n++;
}


/* with its number, 1 if it is there, or where it belongs */

static int
tk_dumps_search(const tk_dumps_t *dumps, const uint8_t *name, size_t len,
    uint32_t *where)
{
    int               rc;
    size_t            n;
    uint32_t          low, high, mid;
    const tk_dump_t  *dump;

    low = 0;
    high = dumps->n;

    while (low < high) {
        mid = low + (high - low) / 2;
        dump = &dumps->elts[dumps->sorted[mid]];

        n = (len < dump->name_len) ? len : dump->name_len;
        rc = memcmp(name, dump->name, n);

        if (rc == 0) {
            rc = (len > dump->name_len) - (len < dump->name_len);
        }

        if (rc == 0) {
            *where = mid;
            return 1;
        }

        if (rc > 0) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    *where = low;

    return 0;
}


static int
tk_dumps_taken(const tk_dumps_t *dumps, const uint8_t *name, size_t len,
    uint32_t *where)
{
    const tk_str_t  *other;

    if (tk_dumps_search(dumps, name, len, where)) {
        return 1;
    }

    /* an upload_file_minidump is stored as dump */

    if (len == tk_dump_short.len
        && memcmp(name, tk_dump_short.data, len) == 0)
    {
        other = &tk_dump_minidump;

    } else if (len == tk_dump_minidump.len
               && memcmp(name, tk_dump_minidump.data, len) == 0)
    {
        other = &tk_dump_short;

    } else {
        return 0;
    }

    return tk_dumps_search(dumps, other->data, other->len, where);
}


/* taken: by which; it knows where the last search for a free one ended */

static size_t
tk_dumps_rename(tk_dumps_t *dumps, uint32_t taken, uint8_t *name, size_t len)
{
    int         n;
    char        suffix[16];
    size_t      base;
    uint32_t    where;
    tk_dump_t  *dump;

    dump = &dumps->elts[dumps->sorted[taken]];

    do {
        n = snprintf(suffix, sizeof(suffix), "_%u", (unsigned) ++dump->copies);
        base = TK_DUMP_NAME - (size_t) n;
        base = (len < base) ? len : base;
        memcpy(name + base, suffix, (size_t) n);

    } while (tk_dumps_search(dumps, name, base + (size_t) n, &where));

    return base + (size_t) n;
}


static int
tk_dumps_grow(tk_dumps_t *dumps)
{
    uint32_t    size, *sorted;
    tk_dump_t  *elts;

    size = dumps->size ? 2 * dumps->size : TK_DUMPS_MIN;
    size = (size < dumps->max) ? size : dumps->max;

    elts = realloc(dumps->elts, size * sizeof(tk_dump_t));

    if (elts == NULL) {
        return -1;
    }

    dumps->elts = elts;

    sorted = realloc(dumps->sorted, size * sizeof(uint32_t));

    if (sorted == NULL) {
        return -1;
    }

    dumps->sorted = sorted;
    dumps->size = size;

    return 0;
}


void
tk_dumps_done(tk_dumps_t *dumps, int n, const uint8_t *hash, uint64_t size)
{
    tk_dump_t  *dump;

    dump = &dumps->elts[n];

    tk_hex(dump->sha256, hash, TK_DUMP_SHA256 / 2);
    dump->size = size;
    dump->hashed = 1;
}


const tk_dump_t *
tk_dumps_find(const tk_dumps_t *dumps, const tk_str_t *name)
{
    uint32_t  where;

    return tk_dumps_search(dumps, name->data, name->len, &where)
           ? &dumps->elts[dumps->sorted[where]] : NULL;
}


int
tk_dumps_names(const tk_dumps_t *dumps, tk_text_write_pt write, void *data)
{
    int               rc;
    size_t            len;
    uint8_t           buf[TK_DUMP_NAME + 4];
    uint32_t          i;
    const tk_dump_t  *dump;

    rc = write(data, (const uint8_t *) "[", 1);

    for (i = 0; i < dumps->n && rc == 0; i++) {
        dump = &dumps->elts[dumps->sorted[i]];
        len = 0;

        if (i) {
            buf[len++] = ',';
            buf[len++] = ' ';
        }

        buf[len++] = '"';
        memcpy(buf + len, dump->name, dump->name_len);
        len += dump->name_len;
        buf[len++] = '"';

        rc = write(data, buf, len);
    }

    return rc ? rc : write(data, (const uint8_t *) "]", 1);
}
