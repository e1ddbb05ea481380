
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <stdio.h>
#include <string.h>

#include "tk_hmac.h"
#include "tk_spool.h"


typedef struct {
    const uint8_t  *pos;
    const uint8_t  *last;
} tk_spool_text_t;


static size_t tk_spool_index_object(char *dst, const tk_spool_object_t *obj,
    int first);
static int tk_spool_unhex(uint8_t *dst, const uint8_t *src, size_t len);
static int tk_spool_unhex64(uint64_t *n, const uint8_t *src);

static int tk_spool_parse_objects(tk_spool_text_t *t, tk_spool_record_t *rec,
    uint32_t max);
static int tk_spool_parse_object(tk_spool_text_t *t, tk_spool_object_t *obj);
static int tk_spool_parse_name(tk_spool_text_t *t, tk_spool_object_t *obj);
static int tk_spool_literal(tk_spool_text_t *t, const char *text);
static int tk_spool_number(tk_spool_text_t *t, uint64_t *n);
static const uint8_t *tk_spool_bytes(tk_spool_text_t *t, size_t len);

static const char *tk_spool_check(const tk_spool_record_t *rec,
    const tk_spool_end_t *end);


const uint8_t  tk_spool_head[TK_SPOOL_HEAD] = {
    'a', 'n', 't', 'e', 'n', 'n', 'a', '-', 's', 'p', 'o', 'o', 'l', ' ', '1',
    '\n'
};


static const char  *tk_spool_kinds[] = { "dump_names", "dump", "raw_crash" };


size_t
tk_spool_index(uint8_t *dst, const tk_spool_record_t *rec)
{
    char      buf[TK_SPOOL_PIECE];
    size_t    len, n;
    uint32_t  i;

    len = (size_t) snprintf(buf, sizeof(buf),
                            "{\"crash_id\": \"%.*s\", \"chosen\": %u, "
                            "\"received\": %llu, \"objects\": [",
                            TK_CRASH_ID, (const char *) rec->crash_id,
                            (unsigned) rec->chosen,
                            (unsigned long long) rec->received);
    if (dst) {
        memcpy(dst, buf, len);
    }

    for (i = 0; i < rec->n; i++) {
        n = tk_spool_index_object(buf, &rec->objects[i], i == 0);

        if (dst) {
            memcpy(dst + len, buf, n);
        }

        len += n;
    }

    if (dst) {
        memcpy(dst + len, "]}\n", 3);
    }

    return len + 3;
}


/* dst has room for TK_SPOOL_PIECE bytes */

static size_t
tk_spool_index_object(char *dst, const tk_spool_object_t *obj, int first)
{
    int   n;
    char  name[TK_SPOOL_NAME + 16], hex[2 * TK_SPOOL_SHA256];

    name[0] = '\0';

    if (obj->kind == TK_SPOOL_DUMP) {
        (void) snprintf(name, sizeof(name), "\"name\": \"%.*s\", ",
                        obj->name_len, (const char *) obj->name);
    }

    tk_hex(hex, obj->sha256, TK_SPOOL_SHA256);

    n = snprintf(dst, TK_SPOOL_PIECE, "%s{\"kind\": \"%s\", %s\"offset\": %llu, "
                 "\"length\": %llu, \"sha256\": \"%.*s\"}",
                 first ? "" : ", ", tk_spool_kinds[obj->kind], name,
                 (unsigned long long) obj->offset,
                 (unsigned long long) obj->length,
                 (int) sizeof(hex), hex);

    return (size_t) n;
}


void
tk_spool_end(uint8_t *dst, uint64_t offset, const uint8_t *index, size_t len)
{
    int      n;
    char     line[TK_SPOOL_END + 1], hex[2 * TK_SPOOL_SHA256];
    uint8_t  sha256[TK_SPOOL_SHA256];

    tk_sha256(sha256, index, len);
    tk_hex(hex, sha256, TK_SPOOL_SHA256);

    n = snprintf(line, sizeof(line), "antenna-end %016llx %016llx %.*s",
                 (unsigned long long) offset + len + TK_SPOOL_END,
                 (unsigned long long) offset, (int) sizeof(hex), hex);

    memcpy(dst, line, (size_t) n);
    memset(dst + n, ' ', (size_t) (TK_SPOOL_END - n));
    dst[TK_SPOOL_END - 1] = '\n';
}


int
tk_spool_parse_end(tk_spool_end_t *end, const uint8_t *line, uint64_t avail)
{
    size_t          i;
    uint64_t        n;
    const uint8_t  *p;

    p = line;

    if (memcmp(p, "antenna-end ", 12) != 0 || p[28] != ' ' || p[45] != ' '
        || tk_spool_unhex64(&end->length, p + 12) != 0
        || tk_spool_unhex64(&end->index, p + 29) != 0
        || tk_spool_unhex(end->sha256, p + 46, TK_SPOOL_SHA256) != 0)
    {
        return -1;
    }

    for (i = 110; i < TK_SPOOL_END - 1; i++) {
        if (p[i] != ' ') {
            return -1;
        }
    }

    if (p[i] != '\n' || end->length > avail
        || end->length < TK_SPOOL_HEAD + TK_SPOOL_END
        || end->index < TK_SPOOL_HEAD
        || end->index > end->length - TK_SPOOL_END)
    {
        return -1;
    }

    n = end->length - TK_SPOOL_END - end->index;

    if (n == 0 || n > TK_SPOOL_INDEX) {
        return -1;
    }

    end->index_length = (uint32_t) n;

    return 0;
}


int
tk_spool_parse_index(tk_spool_record_t *rec, uint32_t max,
    const tk_spool_end_t *end, const uint8_t *index, const char **reason)
{
    uint8_t           sha256[TK_SPOOL_SHA256];
    uint64_t          chosen;
    const uint8_t    *id;
    tk_spool_text_t   t;

    tk_sha256(sha256, index, end->index_length);

    if (memcmp(sha256, end->sha256, TK_SPOOL_SHA256) != 0) {
        *reason = "the checksum of its index is wrong";
        return -1;
    }

    t.pos = index;
    t.last = index + end->index_length;

    if (!tk_spool_literal(&t, "{\"crash_id\": \"")
        || (id = tk_spool_bytes(&t, TK_CRASH_ID)) == NULL
        || !tk_spool_literal(&t, "\", \"chosen\": ")
        || !tk_spool_number(&t, &chosen)
        || chosen > 1
        || !tk_spool_literal(&t, ", \"received\": ")
        || !tk_spool_number(&t, &rec->received)
        || !tk_spool_literal(&t, ", \"objects\": [")
        || !tk_spool_parse_objects(&t, rec, max)
        || !tk_spool_literal(&t, "}\n")
        || t.pos != t.last)
    {
        *reason = "its index is not as this version writes it";
        return -1;
    }

    memcpy(rec->crash_id, id, TK_CRASH_ID);
    rec->chosen = (chosen != 0);

    *reason = tk_spool_check(rec, end);

    return *reason ? -1 : 0;
}


static int
tk_spool_parse_objects(tk_spool_text_t *t, tk_spool_record_t *rec,
    uint32_t max)
{
    rec->n = 0;

    do {
        if (rec->n == max
            || !tk_spool_parse_object(t, &rec->objects[rec->n]))
        {
            return 0;
        }

        rec->n++;

    } while (tk_spool_literal(t, ", "));

    return tk_spool_literal(t, "]");
}


static int
tk_spool_parse_object(tk_spool_text_t *t, tk_spool_object_t *obj)
{
    const uint8_t  *hex;

    obj->name_len = 0;

    if (!tk_spool_literal(t, "{\"kind\": \"")) {
        return 0;
    }

    if (tk_spool_literal(t, "dump_names\", ")) {
        obj->kind = TK_SPOOL_DUMP_NAMES;

    } else if (tk_spool_literal(t, "raw_crash\", ")) {
        obj->kind = TK_SPOOL_RAW_CRASH;

    } else if (tk_spool_literal(t, "dump\", \"name\": \"")) {
        obj->kind = TK_SPOOL_DUMP;

        if (!tk_spool_parse_name(t, obj)) {
            return 0;
        }

    } else {
        return 0;
    }

    return tk_spool_literal(t, "\"offset\": ")
           && tk_spool_number(t, &obj->offset)
           && tk_spool_literal(t, ", \"length\": ")
           && tk_spool_number(t, &obj->length)
           && tk_spool_literal(t, ", \"sha256\": \"")
           && (hex = tk_spool_bytes(t, 2 * TK_SPOOL_SHA256)) != NULL
           && tk_spool_unhex(obj->sha256, hex, TK_SPOOL_SHA256) == 0
           && tk_spool_literal(t, "\"}");
}


/* names become keys and files: nothing else may come out of a spool */

static int
tk_spool_parse_name(tk_spool_text_t *t, tk_spool_object_t *obj)
{
    uint8_t  ch;

    while (t->pos < t->last && obj->name_len < TK_SPOOL_NAME) {
        ch = *t->pos;

        if (!(((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z')
              || (ch >= '0' && ch <= '9') || ch == '_'))
        {
            break;
        }

        obj->name[obj->name_len++] = ch;
        t->pos++;
    }

    return obj->name_len && tk_spool_literal(t, "\", ");
}


static int
tk_spool_literal(tk_spool_text_t *t, const char *text)
{
    size_t  len;

    len = strlen(text);

    if ((size_t) (t->last - t->pos) < len || memcmp(t->pos, text, len) != 0) {
        return 0;
    }

    t->pos += len;

    return 1;
}


static int
tk_spool_number(tk_spool_text_t *t, uint64_t *n)
{
    const uint8_t  *start;

    *n = 0;
    start = t->pos;

    while (t->pos < t->last && *t->pos >= '0' && *t->pos <= '9') {

        /* larger than any file, or a leading zero */

        if (t->pos - start == 18 || (t->pos != start && *n == 0)) {
            return 0;
        }

        *n = *n * 10 + (uint64_t) (*t->pos++ - '0');
    }

    return t->pos != start;
}


static const uint8_t *
tk_spool_bytes(tk_spool_text_t *t, size_t len)
{
    const uint8_t  *p;

    if ((size_t) (t->last - t->pos) < len) {
        return NULL;
    }

    p = t->pos;
    t->pos += len;

    return p;
}


/* dump names are written last and stored first */

static const char *
tk_spool_check(const tk_spool_record_t *rec, const tk_spool_end_t *end)
{
    uint32_t                  i;
    tk_str_t                  id;
    uint64_t                  offset;
    const tk_spool_object_t  *obj;

    id.len = TK_CRASH_ID;
    id.data = rec->crash_id;

    if (!tk_crash_id_valid(&id, 0)) {
        return "its crash id is invalid";
    }

    if (rec->n < 2 || rec->objects[0].kind != TK_SPOOL_DUMP_NAMES
        || rec->objects[rec->n - 1].kind != TK_SPOOL_RAW_CRASH)
    {
        return "its index lacks the raw crash or the dump names";
    }

    offset = TK_SPOOL_HEAD;

    for (i = 1; i <= rec->n; i++) {
        obj = &rec->objects[i == rec->n ? 0 : i];

        if (i < rec->n - 1 && obj->kind != TK_SPOOL_DUMP) {
            return "its index has two raw crashes or dump names";
        }

        if (obj->offset != offset || obj->length > end->index - offset) {
            return "an object is not where its index says";
        }

        offset += obj->length;
    }

    return offset == end->index ? NULL : "its objects do not fill it";
}


static int
tk_spool_unhex64(uint64_t *n, const uint8_t *src)
{
    size_t   i;
    uint8_t  bytes[8];

    if (tk_spool_unhex(bytes, src, sizeof(bytes)) != 0) {
        return -1;
    }

    *n = 0;

    for (i = 0; i < sizeof(bytes); i++) {
        *n = *n << 8 | bytes[i];
    }

    return 0;
}


/* lower case only, as tk_hex() writes it; src has twice len */

static int
tk_spool_unhex(uint8_t *dst, const uint8_t *src, size_t len)
{
    size_t    i;
    uint8_t   ch;
    unsigned  n;

    n = 0;

    for (i = 0; i < 2 * len; i++) {
        ch = src[i];

        if (ch >= '0' && ch <= '9') {
            n = n << 4 | (unsigned) (ch - '0');

        } else if (ch >= 'a' && ch <= 'f') {
            n = n << 4 | (unsigned) (ch - 'a' + 10);

        } else {
            return -1;
        }

        if (i % 2) {
            dst[i / 2] = (uint8_t) n;
        }
    }

    return 0;
}
