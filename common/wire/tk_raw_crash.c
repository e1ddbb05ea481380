
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tk_annotations_set.h"
#include "tk_number.h"
#include "tk_unicode.h"


#define TK_PIECE  512                 /* of a string */
#define TK_COPY   16384               /* of what is printed already */


/* what comes next, when nothing is left of a text */

enum {
    TK_RAW_MEMBER = 0,                /* its name */
    TK_RAW_VALUE,
    TK_RAW_NOTE,
    TK_RAW_END
};


typedef tk_raw_writer_t  tk_writer_t;

typedef void (*tk_raw_field_pt)(tk_writer_t *w);


typedef struct {
    tk_str_t         name;
    tk_raw_field_pt  write;
    unsigned         layout_2018:1;
    unsigned         layout_2022:1;
} tk_raw_field_t;


static void tk_raw_member(tk_writer_t *w);
static void tk_raw_value(tk_writer_t *w);
static void tk_raw_note(tk_writer_t *w);
static void tk_raw_text(tk_writer_t *w);
static void tk_raw_string(tk_writer_t *w, const tk_str_t *s);
static int tk_raw_next(const tk_writer_t *w, int n);

static void tk_raw_minidump_hash(tk_writer_t *w);
static void tk_raw_dump_checksums(tk_writer_t *w);
static void tk_raw_legacy_processing(tk_writer_t *w);
static void tk_raw_metadata(tk_writer_t *w);
static void tk_raw_submitted(tk_writer_t *w);
static void tk_raw_throttle_rate(tk_writer_t *w);
static void tk_raw_timestamp(tk_writer_t *w);
static void tk_raw_type_tag(tk_writer_t *w);
static void tk_raw_uuid(tk_writer_t *w);
static void tk_raw_version(tk_writer_t *w);

static void tk_write(tk_writer_t *w, const void *data, size_t len);
static void tk_write_out(tk_writer_t *w, const void *data, size_t len);
static void tk_write_key(tk_writer_t *w, const tk_str_t *name, int first);
static void tk_write_string(tk_writer_t *w, const tk_str_t *s);
static void tk_write_latin1(tk_writer_t *w, const tk_str_t *s);
static size_t tk_write_piece(tk_writer_t *w, const tk_str_t *s);
static void tk_write_number(tk_writer_t *w, uint64_t n);


#define tk_write_text(w, s)  tk_write(w, s, sizeof(s) - 1)


/* in order of names */

static const tk_raw_field_t  tk_raw_fields[] = {
    { tk_string("MinidumpSha256Hash"), tk_raw_minidump_hash, 1, 0 },
    { tk_string("dump_checksums"), tk_raw_dump_checksums, 1, 0 },
    { tk_string("legacy_processing"), tk_raw_legacy_processing, 1, 0 },
    { tk_string("metadata"), tk_raw_metadata, 0, 1 },
    { tk_string("submitted_timestamp"), tk_raw_submitted, 1, 1 },
    { tk_string("throttle_rate"), tk_raw_throttle_rate, 1, 0 },
    { tk_string("timestamp"), tk_raw_timestamp, 1, 0 },
    { tk_string("type_tag"), tk_raw_type_tag, 1, 0 },
    { tk_string("uuid"), tk_raw_uuid, 1, 1 },
    { tk_string("version"), tk_raw_version, 0, 1 }
};

#define TK_RAW_FIELDS  ((int) (sizeof(tk_raw_fields)                          \
                               / sizeof(tk_raw_fields[0])))


int
tk_raw_crash_write(const tk_annotations_t *a, const tk_raw_crash_t *crash,
    tk_text_write_pt write, void *data)
{
    tk_raw_writer_t  w;

    tk_raw_writer_init(&w, a, crash);

    return tk_raw_writer_next(&w, SIZE_MAX, write, data);
}


void
tk_raw_writer_init(tk_raw_writer_t *w, const tk_annotations_t *a,
    const tk_raw_crash_t *crash)
{
    memset(w, 0, offsetof(tk_raw_writer_t, buf));

    w->a = a;
    w->crash = crash;
    w->field = tk_raw_next(w, 0);
    w->first = 1;
}


int
tk_raw_writer_next(tk_raw_writer_t *w, size_t size, tk_text_write_pt write,
    void *data)
{
    w->write = write;
    w->data = data;
    w->room = size;

    if (!w->begun) {
        w->begun = 1;
        tk_write_text(w, "{");
    }

    while (w->rc == 0 && w->room && !w->done) {

        if (w->text.len || w->quoted) {
            tk_raw_text(w);
            continue;
        }

        switch (w->next) {

        case TK_RAW_MEMBER:
            tk_raw_member(w);
            break;

        case TK_RAW_VALUE:
            tk_raw_value(w);
            break;

        case TK_RAW_NOTE:
            tk_raw_note(w);
            break;

        default: /* TK_RAW_END */
            tk_write_text(w, "}");
            w->done = 1;
        }
    }

    tk_write_out(w, w->buf, w->n);
    w->n = 0;

    return w->rc;
}


static void
tk_raw_member(tk_writer_t *w)
{
    int                     rc;
    const tk_str_t         *name;
    const tk_annotation_t  *annotation;

    if (w->annotation == w->a->n && w->field == TK_RAW_FIELDS) {
        w->next = TK_RAW_END;
        return;
    }

    annotation = (w->annotation < w->a->n) ? w->a->sorted[w->annotation]
                                           : NULL;

    rc = (annotation == NULL) ? 1
         : (w->field == TK_RAW_FIELDS) ? -1
         : tk_str_compare(&annotation->name, &tk_raw_fields[w->field].name);

    if (rc <= 0) {
        w->annotation++;
    }

    if (rc >= 0) {
        name = &tk_raw_fields[w->field].name;
        annotation = NULL;

    } else if (annotation->removed) {
        return;

    } else {
        name = &annotation->name;
    }

    if (!w->first) {
        tk_write_text(w, ", ");
    }

    w->first = 0;
    w->value = annotation;
    w->next = TK_RAW_VALUE;

    tk_raw_string(w, name);
}


static void
tk_raw_value(tk_writer_t *w)
{
    tk_write_text(w, ": ");

    w->next = TK_RAW_MEMBER;

    if (w->value == NULL) {
        tk_raw_fields[w->field].write(w);
        w->field = tk_raw_next(w, w->field + 1);

    } else if (w->value->type == TK_ANNOTATION_TEXT) {
        tk_raw_string(w, &w->value->value);

    } else {
        w->text = w->value->value;
    }
}


/* what is left of a text: some of it */

static void
tk_raw_text(tk_writer_t *w)
{
    size_t  n;

    if (w->text.len) {

        if (w->quoted) {
            n = tk_write_piece(w, &w->text);

        } else {
            n = (w->text.len < TK_COPY) ? w->text.len : TK_COPY;
            tk_write(w, w->text.data, n);
        }

        w->text.data += n;
        w->text.len -= n;
    }

    if (w->text.len == 0 && w->quoted) {
        w->quoted = 0;
        tk_write_text(w, "\"");
    }
}


static void
tk_raw_string(tk_writer_t *w, const tk_str_t *s)
{
    tk_write_text(w, "\"");

    w->text = *s;
    w->quoted = 1;
}


static int
tk_raw_next(const tk_writer_t *w, int n)
{
    while (n < TK_RAW_FIELDS
           && !(tk_raw_fields[n].layout_2018 && w->crash->layout_2018)
           && !(tk_raw_fields[n].layout_2022 && w->crash->layout_2022))
    {
        n++;
    }

    return n;
}


static void
tk_raw_minidump_hash(tk_writer_t *w)
{
    const tk_dump_t  *dump;

    static const tk_str_t  name = tk_string("upload_file_minidump");

    dump = tk_dumps_find(w->crash->dumps, &name);

    tk_write_text(w, "\"");

    if (dump && dump->hashed) {
        tk_write(w, dump->sha256, TK_DUMP_SHA256);
    }

    tk_write_text(w, "\"");
}


static void
tk_raw_dump_checksums(tk_writer_t *w)
{
    int                first;
    tk_str_t           name;
    uint32_t           i;
    const tk_dump_t   *dump;
    const tk_dumps_t  *dumps;

    dumps = w->crash->dumps;
    first = 1;

    tk_write_text(w, "{");

    for (i = 0; i < dumps->n; i++) {
        dump = &dumps->elts[dumps->sorted[i]];

        if (!dump->hashed) {
            continue;
        }

        name.data = dump->name;
        name.len = dump->name_len;

        tk_write_key(w, &name, first);
        tk_write_text(w, "\"");
        tk_write(w, dump->sha256, TK_DUMP_SHA256);
        tk_write_text(w, "\"");

        first = 0;
    }

    tk_write_text(w, "}");
}


static void
tk_raw_legacy_processing(tk_writer_t *w)
{
    tk_write_number(w, w->crash->legacy_processing);
}


static void
tk_raw_metadata(tk_writer_t *w)
{
    tk_write_text(w, "{\"collector_notes\": [");

    w->next = TK_RAW_NOTE;
}


/* one note, or what is behind the last one */

static void
tk_raw_note(tk_writer_t *w)
{
    uint32_t        n;
    tk_str_t        note;
    const uint8_t  *p;

    if (w->note < w->a->notes.len) {
        p = w->a->notes.data + w->note;
        memcpy(&n, p, sizeof(n));

        note.data = p + sizeof(n);
        note.len = n;

        if (w->note) {
            tk_write_text(w, ", ");
        }

        w->note += sizeof(n) + n;

        tk_raw_string(w, &note);
        return;
    }

    w->next = TK_RAW_MEMBER;

    tk_write_text(w, "], \"dump_checksums\": ");
    tk_raw_dump_checksums(w);

    tk_write_text(w, ", \"payload\": ");

    if (w->a->has_json) {
        tk_write_text(w, "\"json\"");

    } else {
        tk_write_text(w, "\"multipart\"");
    }

    tk_write_text(w, ", \"payload_compressed\": ");
    tk_write(w, w->crash->compressed ? "\"1\"" : "\"0\"", 3);

    tk_write_text(w, ", \"payload_size\": ");
    tk_write_number(w, w->crash->payload_size);

    tk_write_text(w, ", \"throttle_rule\": ");
    tk_write_string(w, &w->crash->throttle_rule);

    tk_write_text(w, ", \"user_agent\": ");

    if (w->crash->user_agent.len) {
        tk_write_latin1(w, &w->crash->user_agent);

    } else {
        tk_write_text(w, "\"None\"");
    }

    tk_write_text(w, "}");
}


/* as datetime.isoformat() */

static void
tk_raw_submitted(tk_writer_t *w)
{
    int        n;
    char       text[96], fraction[16];
    time_t     sec;
    struct tm  tm;

    sec = (time_t) w->crash->sec;
    memset(&tm, 0, sizeof(tm));
    (void) gmtime_r(&sec, &tm);

    fraction[0] = '\0';

    if (w->crash->usec) {
        (void) snprintf(fraction, sizeof(fraction), ".%06u",
                        (unsigned) (w->crash->usec % 1000000));
    }

    n = snprintf(text, sizeof(text),
                 "\"%04d-%02d-%02dT%02d:%02d:%02d%s+00:00\"",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                 tm.tm_hour, tm.tm_min, tm.tm_sec, fraction);

    tk_write(w, text, (size_t) n);
}


static void
tk_raw_throttle_rate(tk_writer_t *w)
{
    tk_write_number(w, w->crash->throttle_rate);
}


static void
tk_raw_timestamp(tk_writer_t *w)
{
    size_t   n;
    uint8_t  buf[TK_NUMBER];

    n = tk_number_repr(buf, (double) w->crash->start_sec
                            + (double) w->crash->start_usec / 1e6);
    tk_write(w, buf, n);
}


static void
tk_raw_type_tag(tk_writer_t *w)
{
    tk_write_string(w, &w->crash->type_tag);
}


static void
tk_raw_uuid(tk_writer_t *w)
{
    tk_write_string(w, &w->crash->uuid);
}


static void
tk_raw_version(tk_writer_t *w)
{
    tk_write_text(w, "2");
}


static void
tk_write(tk_writer_t *w, const void *data, size_t len)
{
    w->room -= (len < w->room) ? len : w->room;

    if (len > TK_RAW_GATHER - w->n) {
        tk_write_out(w, w->buf, w->n);
        w->n = 0;
    }

    if (len > TK_RAW_GATHER) {
        tk_write_out(w, data, len);

    } else if (len) {
        memcpy(w->buf + w->n, data, len);
        w->n += len;
    }
}


static void
tk_write_out(tk_writer_t *w, const void *data, size_t len)
{
    if (w->rc == 0 && len) {
        w->rc = w->write(w->data, data, len);
    }
}


static void
tk_write_key(tk_writer_t *w, const tk_str_t *name, int first)
{
    if (!first) {
        tk_write_text(w, ", ");
    }

    tk_write_string(w, name);
    tk_write_text(w, ": ");
}


static void
tk_write_string(tk_writer_t *w, const tk_str_t *s)
{
    size_t    n;
    tk_str_t  rest;

    tk_write_text(w, "\"");

    for (rest = *s; rest.len; rest.len -= n) {
        n = tk_write_piece(w, &rest);
        rest.data += n;
    }

    tk_write_text(w, "\"");
}


/* the beginning of a string; returns how much */

static size_t
tk_write_piece(tk_writer_t *w, const tk_str_t *s)
{
    size_t   n;
    uint8_t  buf[6 * TK_PIECE];

    n = (s->len < TK_PIECE) ? s->len : TK_PIECE;

    /* not within a character */

    while (n < s->len && n > TK_PIECE - 4 && (s->data[n] & 0xc0) == 0x80) {
        n--;
    }

    tk_write(w, buf, tk_json_escape_wide(buf, s->data, n));

    return n;
}


/* a header's bytes, as WSGI has them */

static void
tk_write_latin1(tk_writer_t *w, const tk_str_t *s)
{
    size_t   i, n;
    uint8_t  ch[4], buf[12];

    tk_write_text(w, "\"");

    for (i = 0; i < s->len; i++) {
        n = tk_utf8_encode(ch, s->data[i]);
        tk_write(w, buf, tk_json_escape_wide(buf, ch, n));
    }

    tk_write_text(w, "\"");
}


static void
tk_write_number(tk_writer_t *w, uint64_t n)
{
    int   len;
    char  buf[24];

    len = snprintf(buf, sizeof(buf), "%llu", (unsigned long long) n);
    tk_write(w, buf, (size_t) len);
}
