
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tk_annotations_set.h"
#include "tk_out.h"
#include "tk_unicode.h"


#define TK_ANNOTATIONS_MIN  64


static tk_malformed_e tk_annotations_end_text(tk_annotations_t *a,
    const tk_str_t *charset);
static tk_malformed_e tk_annotations_end_2018(tk_annotations_t *a);
static tk_malformed_e tk_annotations_replace(tk_annotations_t *a,
    tk_text_t *text);
static void tk_annotations_remove_nuls(tk_text_t *text);
static tk_malformed_e tk_annotations_charset(tk_annotations_t *a,
    const tk_str_t *charset, int *good);
static int tk_annotations_is_one_of(const tk_str_t *s, const tk_str_t *names,
    size_t n);
static int tk_annotations_search(const tk_annotations_t *a,
    const tk_str_t *name, uint32_t *where);
static tk_malformed_e tk_annotations_grow(tk_annotations_t *a);
static void tk_annotations_free_one(tk_annotations_t *a,
    tk_annotation_t *annotation);


static const tk_str_t  tk_utf8_names[] = {
    tk_string("utf-8"), tk_string("utf8"), tk_string("u8"), tk_string("utf")
};

static const tk_str_t  tk_ascii_names[] = {
    tk_string("us-ascii"), tk_string("ascii"), tk_string("646")
};

static const tk_str_t  tk_latin1_names[] = {
    tk_string("iso-8859-1"), tk_string("iso8859-1"), tk_string("latin-1"),
    tk_string("latin1"), tk_string("latin"), tk_string("l1"),
    tk_string("8859"), tk_string("cp819")
};


#define tk_one_of(s, names)                                                   \
    tk_annotations_is_one_of(s, names, sizeof(names) / sizeof(names[0]))


tk_annotations_t *
tk_annotations_create(const tk_annotations_conf_t *conf)
{
    tk_annotations_t  *a;

    a = calloc(1, sizeof(tk_annotations_t));

    if (a == NULL) {
        return NULL;
    }

    a->conf = *conf;

    if (conf->max == 0) {
        a->conf.max = TK_ANNOTATION;
    }

    if (conf->names == 0) {
        a->conf.names = TK_ANNOTATIONS_NAMES;
    }

    if (conf->depth == 0) {
        a->conf.depth = TK_ANNOTATIONS_DEPTH;
    }

    if (conf->total == 0) {
        a->conf.total = TK_ANNOTATIONS;
    }

    a->budget = a->conf.total;

    a->name.budget = &a->budget;
    a->value.budget = &a->budget;
    a->notes.budget = &a->budget;

    return a;
}


void
tk_annotations_destroy(tk_annotations_t *a)
{
    if (a == NULL) {
        return;
    }

    tk_annotations_clear(a);

    tk_text_free(&a->name);
    tk_text_free(&a->value);
    tk_text_free(&a->notes);
    free(a);
}


void
tk_annotations_clear(tk_annotations_t *a)
{
    while (a->n) {
        tk_annotations_free_one(a, a->sorted[--a->n]);
    }

    free(a->sorted);
    a->budget += a->size * sizeof(tk_annotation_t *);

    a->sorted = NULL;
    a->size = 0;
}


tk_malformed_e
tk_annotations_start(tk_annotations_t *a, const tk_str_t *name, int json)
{
    a->name.len = 0;
    a->value.len = 0;
    a->started = 1;
    a->json = (json != 0);

    return tk_text_put(&a->name, name->data, name->len);
}


tk_malformed_e
tk_annotations_data(tk_annotations_t *a, const tk_str_t *data)
{
    if (data->len > a->conf.max - a->value.len) {
        return TK_MALFORMED_ANNOTATION;
    }

    return tk_text_put(&a->value, data->data, data->len);
}


void
tk_annotations_chop(tk_annotations_t *a)
{
    tk_text_t  *v;

    v = &a->value;

    if (v->len >= 2 && memcmp(v->data + v->len - 2, "\r\n", 2) == 0) {
        v->len -= 2;
    }
}


void
tk_annotations_cancel(tk_annotations_t *a)
{
    a->started = 0;
    tk_text_free(&a->value);
}


tk_malformed_e
tk_annotations_end(tk_annotations_t *a, const tk_str_t *charset)
{
    tk_malformed_e  rc;

    if (a->json) {
        rc = tk_annotations_read_json(a, &a->value);
        a->has_json |= (rc == TK_MALFORMED_NONE);

    } else {
        a->has_text = 1;
        rc = a->conf.dialect_2018 ? tk_annotations_end_2018(a)
                                  : tk_annotations_end_text(a, charset);
    }

    tk_annotations_cancel(a);

    return rc;
}


static tk_malformed_e
tk_annotations_end_text(tk_annotations_t *a, const tk_str_t *charset)
{
    int              good;
    tk_str_t         name, value;
    tk_malformed_e   rc;

    rc = tk_annotations_charset(a, charset, &good);

    if (rc != TK_MALFORMED_NONE || !good) {
        return rc;
    }

    tk_text_trim(&a->value);

    name.data = a->name.data;
    name.len = a->name.len;
    value.data = a->value.data;
    value.len = a->value.len;

    return tk_annotations_insert(a, &name, &value, &a->value,
                                 TK_ANNOTATION_TEXT);
}


/* what the text is good for, or Antenna's note that it is not */

static tk_malformed_e
tk_annotations_charset(tk_annotations_t *a, const tk_str_t *charset,
    int *good)
{
    size_t           i;
    tk_str_t         given;
    tk_text_t        text;
    tk_malformed_e   rc;

    static const char  note[] = "extract payload text part exception: "
                                "invalid text or charset: ";

    given = charset->len ? *charset : tk_utf8_names[0];

    *good = 0;

    if (tk_one_of(&given, tk_utf8_names)) {
        *good = tk_utf8_valid(a->value.data, a->value.len);

    } else if (tk_one_of(&given, tk_ascii_names)) {

        for (i = 0; i < a->value.len && a->value.data[i] < 0x80; i++) {
            /* void */
        }

        *good = (i == a->value.len);

    } else if (tk_one_of(&given, tk_latin1_names)) {

        memset(&text, 0, sizeof(text));
        text.budget = &a->budget;

        rc = tk_latin1(&text, a->value.data, a->value.len);

        tk_text_free(&a->value);
        a->value = text;
        *good = 1;

        return rc;
    }

    if (*good) {
        return TK_MALFORMED_NONE;
    }

    /* a large one may have taken all there is for notes */

    tk_text_free(&a->value);

    memset(&text, 0, sizeof(text));
    text.budget = &a->budget;

    rc = tk_text_put(&text, note, sizeof(note) - 1);

    if (rc == TK_MALFORMED_NONE) {
        rc = tk_text_put(&text, given.data, given.len);
    }

    if (rc == TK_MALFORMED_NONE) {
        rc = tk_annotations_note(a, (char *) text.data, text.len);
    }

    tk_text_free(&text);

    return rc;
}


static int
tk_annotations_is_one_of(const tk_str_t *s, const tk_str_t *names, size_t n)
{
    size_t   i;
    uint8_t  ch;

    while (n--) {

        if (names[n].len != s->len) {
            continue;
        }

        for (i = 0; i < s->len; i++) {
            ch = tk_lower(s->data[i]);

            if ((ch == '_' ? '-' : ch) != names[n].data[i]) {
                break;
            }
        }

        if (i == s->len) {
            return 1;
        }
    }

    return 0;
}


static tk_malformed_e
tk_annotations_end_2018(tk_annotations_t *a)
{
    tk_str_t        name, value;
    tk_malformed_e  rc;

    rc = tk_annotations_replace(a, &a->name);

    if (rc == TK_MALFORMED_NONE) {
        rc = tk_annotations_replace(a, &a->value);
    }

    if (rc != TK_MALFORMED_NONE) {
        return rc;
    }

    tk_annotations_remove_nuls(&a->name);
    tk_annotations_remove_nuls(&a->value);
    tk_text_trim(&a->value);

    name.data = a->name.data;
    name.len = a->name.len;
    value.data = a->value.data;
    value.len = a->value.len;

    return tk_annotations_insert(a, &name, &value, &a->value,
                                 TK_ANNOTATION_TEXT);
}


static tk_malformed_e
tk_annotations_replace(tk_annotations_t *a, tk_text_t *text)
{
    tk_text_t       good;
    tk_malformed_e  rc;

    if (tk_utf8_valid(text->data, text->len)) {
        return TK_MALFORMED_NONE;
    }

    memset(&good, 0, sizeof(good));
    good.budget = &a->budget;

    rc = tk_utf8_replace(&good, text->data, text->len);

    tk_text_free(text);
    *text = good;

    return rc;
}


static void
tk_annotations_remove_nuls(tk_text_t *text)
{
    size_t  i, n;

    for (i = 0, n = 0; i < text->len; i++) {
        if (text->data[i] != '\0') {
            text->data[n++] = text->data[i];
        }
    }

    text->len = n;
}


tk_malformed_e
tk_annotations_alias(tk_annotations_t *a, const tk_str_t *name,
    const tk_str_t *to)
{
    uint32_t        where;
    tk_str_t        value;
    tk_malformed_e  rc;

    static const tk_str_t  empty = tk_string("");

    if (!tk_annotations_search(a, name, &where)) {
        return TK_MALFORMED_NONE;
    }

    tk_annotation_str(&value, a->sorted[where]);

    if (tk_annotations_search(a, to, &where)) {
        return TK_MALFORMED_NONE;
    }

    rc = tk_annotations_insert(a, to, &empty, NULL, TK_ANNOTATION_TEXT);

    if (rc == TK_MALFORMED_NONE) {
        a->sorted[where]->value = value;
        a->sorted[where]->shared = 1;
    }

    return rc;
}


tk_malformed_e
tk_annotations_insert(tk_annotations_t *a, const tk_str_t *name,
    const tk_str_t *value, tk_text_t *text, tk_annotation_e type)
{
    size_t            size;
    uint8_t          *copy;
    uint32_t          where;
    tk_malformed_e    rc;
    tk_annotation_t  *annotation;

    if (tk_annotations_search(a, name, &where)) {
        tk_annotations_free_one(a, a->sorted[where]);

        a->n--;
        memmove(a->sorted + where, a->sorted + where + 1,
                (a->n - where) * sizeof(tk_annotation_t *));
    }

    if (a->n == a->conf.names) {
        return TK_MALFORMED_ANNOTATIONS;
    }

    if (a->n == a->size) {
        rc = tk_annotations_grow(a);

        if (rc != TK_MALFORMED_NONE) {
            return rc;
        }
    }

    size = sizeof(tk_annotation_t) + name->len + (text ? 0 : value->len);

    if (size > a->budget) {
        return TK_MALFORMED_ANNOTATIONS;
    }

    annotation = malloc(size);

    if (annotation == NULL) {
        return TK_MALFORMED_NO_MEMORY;
    }

    a->budget -= size;

    memset(annotation, 0, sizeof(tk_annotation_t));
    copy = (uint8_t *) (annotation + 1);

    if (name->len) {
        memcpy(copy, name->data, name->len);
    }

    annotation->name.data = copy;
    annotation->name.len = name->len;
    annotation->type = type;
    annotation->json = a->json && a->started;

    if (text) {

        /* the text's memory, and its share of the budget */

        annotation->value.data = text->data;
        annotation->value.len = text->len;
        annotation->size = text->size;
        annotation->owned = 1;

        memset(text, 0, sizeof(tk_text_t));
        text->budget = &a->budget;

    } else {
        copy += name->len;

        if (value->len) {
            memcpy(copy, value->data, value->len);
        }

        annotation->value.data = copy;
        annotation->value.len = value->len;
    }

    memmove(a->sorted + where + 1, a->sorted + where,
            (a->n - where) * sizeof(tk_annotation_t *));
    a->sorted[where] = annotation;
    a->n++;

    return TK_MALFORMED_NONE;
}


static void
tk_annotations_free_one(tk_annotations_t *a, tk_annotation_t *annotation)
{
    a->budget += sizeof(tk_annotation_t) + annotation->name.len;

    if (annotation->owned) {
        a->budget += annotation->size;
        tk_text_release((uint8_t *) (uintptr_t) annotation->value.data,
                        annotation->size);

    } else if (!annotation->shared) {
        a->budget += annotation->value.len;
    }

    free(annotation);
}


static tk_malformed_e
tk_annotations_grow(tk_annotations_t *a)
{
    size_t             bytes;
    uint32_t           size;
    tk_annotation_t  **sorted;

    size = a->size ? 2 * a->size : TK_ANNOTATIONS_MIN;
    size = (size < a->conf.names) ? size : a->conf.names;

    bytes = (size - a->size) * sizeof(tk_annotation_t *);

    if (bytes > a->budget) {
        return TK_MALFORMED_ANNOTATIONS;
    }

    sorted = realloc(a->sorted, size * sizeof(tk_annotation_t *));

    if (sorted == NULL) {
        return TK_MALFORMED_NO_MEMORY;
    }

    a->budget -= bytes;
    a->sorted = sorted;
    a->size = size;

    return TK_MALFORMED_NONE;
}


/* where it is, or where it belongs */

static int
tk_annotations_search(const tk_annotations_t *a, const tk_str_t *name,
    uint32_t *where)
{
    int              rc;
    uint32_t         low, high, mid;

    low = 0;
    high = a->n;

    while (low < high) {
        mid = low + (high - low) / 2;
        rc = tk_str_compare(name, &a->sorted[mid]->name);

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


tk_malformed_e
tk_annotations_note(tk_annotations_t *a, const char *text, size_t len)
{
    uint32_t        n;
    tk_text_t       good;
    tk_malformed_e  rc;

    memset(&good, 0, sizeof(good));
    good.budget = &a->budget;

    rc = tk_utf8_replace(&good, (const uint8_t *) text, len);
    n = (uint32_t) good.len;

    if (rc == TK_MALFORMED_NONE) {
        rc = tk_text_put(&a->notes, &n, sizeof(n));
    }

    if (rc == TK_MALFORMED_NONE) {
        rc = tk_text_put(&a->notes, good.data, good.len);
    }

    tk_text_free(&good);

    return rc;
}


tk_malformed_e
tk_annotations_note_mixed(tk_annotations_t *a)
{
    static const char  note[] = "includes annotations in both json-encoded "
                                "extra and formdata parts";

    if (!a->has_json || !a->has_text) {
        return TK_MALFORMED_NONE;
    }

    return tk_annotations_note(a, note, sizeof(note) - 1);
}


tk_malformed_e
tk_annotations_remove(tk_annotations_t *a, const tk_str_t *names, size_t n)
{
    char             note[512];
    int              len;
    size_t           i;
    uint32_t         where;
    tk_malformed_e   rc;

    for (i = 0; i < n; i++) {

        if (!tk_annotations_search(a, &names[i], &where)
            || a->sorted[where]->removed)
        {
            continue;
        }

        a->sorted[where]->removed = 1;

        len = snprintf(note, sizeof(note), "Removed %.*s from raw crash.",
                       (int) (names[i].len < 400 ? names[i].len : 400),
                       names[i].data);

        rc = tk_annotations_note(a, note, (size_t) len);

        if (rc != TK_MALFORMED_NONE) {
            return rc;
        }
    }

    return TK_MALFORMED_NONE;
}


uint32_t
tk_annotations_count(const tk_annotations_t *a)
{
    return a->n;
}


size_t
tk_annotations_size(const tk_annotations_t *a)
{
    return a->conf.total - a->budget;
}


size_t
tk_annotations_started(const tk_annotations_t *a)
{
    return a->value.len;
}


int
tk_annotations_json(const tk_annotations_t *a)
{
    return a->has_json;
}


const tk_annotation_t *
tk_annotations_find(const tk_annotations_t *a, const tk_str_t *name)
{
    uint32_t  where;

    return tk_annotations_search(a, name, &where) ? a->sorted[where] : NULL;
}


const tk_annotation_t *
tk_annotations_get(const tk_annotations_t *a, uint32_t n)
{
    return a->sorted[n];
}


void
tk_annotation_str(tk_str_t *str, const tk_annotation_t *annotation)
{
    static const tk_str_t  none = tk_string("None");
    static const tk_str_t  yes = tk_string("True");
    static const tk_str_t  no = tk_string("False");
    static const tk_str_t  nan = tk_string("nan");
    static const tk_str_t  inf = tk_string("inf");
    static const tk_str_t  minus_inf = tk_string("-inf");

    switch (annotation->type) {

    case TK_ANNOTATION_NULL:
        *str = none;
        break;

    case TK_ANNOTATION_TRUE:
        *str = yes;
        break;

    case TK_ANNOTATION_FALSE:
        *str = no;
        break;

    case TK_ANNOTATION_NUMBER:

        switch (annotation->value.data[annotation->value.len - 1]) {

        case 'N':
            *str = nan;
            return;

        case 'y':
            *str = (annotation->value.data[0] == '-') ? minus_inf : inf;
            return;
        }

        /* fall through */

    default:
        *str = annotation->value;
        break;
    }
}
