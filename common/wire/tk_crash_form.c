
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_crash_form.h"


enum {
    TK_CRASH_SKIP = 0,
    TK_CRASH_TEXT,
    TK_CRASH_JSON,
    TK_CRASH_FILE
};


static tk_malformed_e tk_crash_part(tk_crash_form_t *crash);
static unsigned tk_crash_kind(const tk_crash_form_t *crash);
static unsigned tk_crash_kind_2018(const tk_crash_form_t *crash);
static tk_malformed_e tk_crash_dump(tk_crash_form_t *crash);
static tk_malformed_e tk_crash_note_type(tk_crash_form_t *crash);
static int tk_crash_large(const tk_crash_form_t *crash);
static tk_malformed_e tk_crash_part_end(tk_crash_form_t *crash);
static tk_malformed_e tk_crash_end(tk_crash_form_t *crash);
static int tk_crash_starts(const tk_str_t *s, const tk_str_t *prefix);


static const tk_str_t  tk_crash_octets = tk_string("application/octet-stream");
static const tk_str_t  tk_crash_plain = tk_string("text/plain");


tk_malformed_e
tk_crash_form_init(tk_crash_form_t *crash, const tk_crash_conf_t *conf)
{
    tk_form_conf_t         form;
    tk_annotations_conf_t  annotations;

    form = conf->form;
    form.strict = conf->strict;
    form.dialect_2018 = conf->dialect_2018;

    annotations = conf->annotations;
    annotations.dialect_2018 = conf->dialect_2018;

    tk_form_init(&crash->form, &form);
    tk_dumps_init(&crash->dumps, conf->dumps);

    crash->dump = -1;
    crash->whole = 0;
    crash->large = conf->large ? conf->large : SIZE_MAX;
    crash->error = TK_MALFORMED_NONE;
    crash->dialect_2018 = conf->dialect_2018;
    crash->kind = TK_CRASH_SKIP;
    crash->ended = 0;

    crash->annotations = tk_annotations_create(&annotations);

    return crash->annotations ? TK_MALFORMED_NONE : TK_MALFORMED_NO_MEMORY;
}


void
tk_crash_form_free(tk_crash_form_t *crash)
{
    tk_annotations_destroy(crash->annotations);
    crash->annotations = NULL;

    tk_dumps_free(&crash->dumps);
}


tk_crash_event_e
tk_crash_form_next(tk_crash_form_t *crash, const uint8_t **pos,
    const uint8_t *last, int eof, tk_str_t *data)
{
    tk_crash_event_e  event;
    tk_malformed_e    rc;

    event = TK_CRASH_AGAIN;
    rc = crash->error;

    while (event == TK_CRASH_AGAIN && rc == TK_MALFORMED_NONE) {

        switch (tk_form_next(&crash->form, pos, last, eof, data)) {

        case TK_FORM_AGAIN:
            return TK_CRASH_AGAIN;

        case TK_FORM_PART:
            rc = tk_crash_part(crash);

            if (crash->kind == TK_CRASH_FILE) {
                event = TK_CRASH_DUMP;
            }

            break;

        case TK_FORM_DATA:
            if (crash->kind == TK_CRASH_FILE) {
                return TK_CRASH_DATA;
            }

            if (crash->kind != TK_CRASH_SKIP) {
                rc = tk_annotations_data(crash->annotations, data);
            }

            break;

        case TK_FORM_PART_END:
            if (crash->kind == TK_CRASH_FILE) {
                return TK_CRASH_DUMP_END;
            }

            if (tk_crash_large(crash)) {
                return TK_CRASH_ANNOTATION;
            }

            rc = tk_crash_part_end(crash);
            break;

        case TK_FORM_END:
            rc = tk_crash_end(crash);
            event = TK_CRASH_END;
            break;

        default: /* TK_FORM_ERROR */
            rc = crash->form.error;
            break;
        }
    }

    if (rc == TK_MALFORMED_NONE) {
        return event;
    }

    crash->error = rc;

    return TK_CRASH_ERROR;
}


static tk_malformed_e
tk_crash_part(tk_crash_form_t *crash)
{
    crash->kind = crash->dialect_2018 ? tk_crash_kind_2018(crash)
                                      : tk_crash_kind(crash);

    switch (crash->kind) {

    case TK_CRASH_SKIP:
        return TK_MALFORMED_NONE;

    case TK_CRASH_FILE:
        return tk_crash_dump(crash);

    default:
        return tk_annotations_start(crash->annotations,
                                    &crash->form.part.name,
                                    crash->kind == TK_CRASH_JSON);
    }
}


/* Antenna of 2026: by the type first, which is text/plain if there is none */

static unsigned
tk_crash_kind(const tk_crash_form_t *crash)
{
    const tk_form_part_t  *part;

    static const tk_str_t  json = tk_string("application/json");

    part = &crash->form.part;

    if (part->name.len == 0) {
        return TK_CRASH_SKIP;
    }

    if (tk_crash_starts(&part->type, &json)) {
        return TK_CRASH_JSON;
    }

    if ((!part->filename || part->empty_filename)
        && (part->type.len == 0
            || tk_crash_starts(&part->type, &tk_crash_plain)))
    {
        return TK_CRASH_TEXT;
    }

    return TK_CRASH_FILE;
}


/* Antenna of 2018: whatever has a filename is a dump, an empty one too */

static unsigned
tk_crash_kind_2018(const tk_crash_form_t *crash)
{
    const tk_form_part_t  *part;

    static const tk_str_t  checksums = tk_string("dump_checksums");

    part = &crash->form.part;

    /* of a crash that was sent on, ours are made anew */

    if (part->name.len == 0 || tk_str_compare(&part->name, &checksums) == 0) {
        return TK_CRASH_SKIP;
    }

    if (part->filename || tk_crash_starts(&part->type, &tk_crash_octets)) {
        return TK_CRASH_FILE;
    }

    return TK_CRASH_TEXT;
}


static tk_malformed_e
tk_crash_dump(tk_crash_form_t *crash)
{
    char            note[TK_DUMPS_NOTE];
    tk_malformed_e  rc;

    rc = TK_MALFORMED_NONE;

    crash->dump = tk_dumps_add(&crash->dumps, &crash->form.part.name, note,
                               &rc);

    if (crash->dump < 0) {
        return rc;
    }

    if (!crash->dialect_2018
        && tk_str_compare(&crash->form.part.type, &tk_crash_octets) != 0)
    {
        rc = tk_crash_note_type(crash);
    }

    if (rc == TK_MALFORMED_NONE && note[0] != '\0') {
        rc = tk_annotations_note(crash->annotations, note, strlen(note));
    }

    return rc;
}


static tk_malformed_e
tk_crash_note_type(tk_crash_form_t *crash)
{
    size_t                 n;
    char                   text[sizeof("unknown content type:  ") - 1
                                + TK_FORM_HEADERS_SIZE];
    const tk_str_t        *type;
    const tk_form_part_t  *part;

    static const tk_str_t  start = tk_string("unknown content type: ");

    part = &crash->form.part;
    type = part->type.len ? &part->type : &tk_crash_plain;

    memcpy(text, start.data, start.len);
    n = start.len;

    /* both are of one header block, or the type is ours and the name */

    memcpy(text + n, part->name.data, part->name.len);
    n += part->name.len;

    text[n++] = ' ';

    memcpy(text + n, type->data, type->len);
    n += type->len;

    return tk_annotations_note(crash->annotations, text, n);
}


void
tk_crash_form_annotation(tk_crash_form_t *crash)
{
    crash->error = tk_crash_part_end(crash);
}


static int
tk_crash_large(const tk_crash_form_t *crash)
{
    size_t  size;

    if (crash->kind == TK_CRASH_SKIP) {
        return 0;
    }

    size = tk_annotations_started(crash->annotations);

    return size >= (crash->kind == TK_CRASH_JSON ? crash->large / 4
                                                 : crash->large);
}


static tk_malformed_e
tk_crash_part_end(tk_crash_form_t *crash)
{
    int                    quoted;
    tk_str_t               charset;
    tk_malformed_e         rc;
    const tk_form_part_t  *part;

    static const tk_str_t  charset_name = tk_string("charset");

    part = &crash->form.part;

    switch (crash->kind) {

    case TK_CRASH_SKIP:
        return TK_MALFORMED_NONE;

    case TK_CRASH_TEXT:

        /*
         * Firefox for Android, and nobody else, quotes no name; it writes an
         * empty line in front of the final delimiter.
         */

        if (part->unquoted && part->last) {
            tk_annotations_chop(crash->annotations);
        }

        break;
    }

    (void) tk_form_param(&charset, &quoted, &part->type, &charset_name);

    rc = tk_annotations_end(crash->annotations, &charset);

    if (part->truncated) {

        /* the form's note says so; what was cut is no JSON */

        return (rc == TK_MALFORMED_JSON) ? TK_MALFORMED_NONE : rc;
    }

    crash->whole += (crash->kind == TK_CRASH_TEXT
                     || tk_annotations_count(crash->annotations));

    return rc;
}


static tk_malformed_e
tk_crash_end(tk_crash_form_t *crash)
{
    unsigned         n;
    const tk_str_t  *note;
    tk_malformed_e   rc;

    if (crash->ended) {
        return TK_MALFORMED_NONE;
    }

    crash->ended = 1;

    if (crash->form.notes && crash->whole == 0) {
        return TK_MALFORMED_STRUCTURE;
    }

    if (tk_annotations_count(crash->annotations) == 0) {
        return TK_MALFORMED_NO_ANNOTATIONS;
    }

    rc = tk_annotations_note_mixed(crash->annotations);

    for (n = 0; n < TK_FORM_NOTES && rc == TK_MALFORMED_NONE; n++) {

        if (crash->form.notes & 1u << n) {
            note = tk_form_note(n);
            rc = tk_annotations_note(crash->annotations,
                                     (const char *) note->data, note->len);
        }
    }

    return rc;
}


static int
tk_crash_starts(const tk_str_t *s, const tk_str_t *prefix)
{
    return s->len >= prefix->len
           && memcmp(s->data, prefix->data, prefix->len) == 0;
}
