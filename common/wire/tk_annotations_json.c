
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <stdlib.h>
#include <string.h>

#include "tk_annotations_set.h"
#include "tk_json.h"
#include "tk_json_read.h"
#include "tk_number.h"
#include "tk_unicode.h"


/* a member of an object that is not complete yet: places in out */

typedef struct {
    size_t  key;
    size_t  key_len;
    size_t  value;
    size_t  value_len;
} tk_member_t;


typedef struct {
    size_t    start;                  /* of the object or array in out */
    size_t    members;                /* how many there were before it */
    unsigned  object:1;
    unsigned  first:1;                /* nothing in the array yet */
} tk_frame_t;


/*
 * Values are printed as they are read.  An object is printed once more at its
 * end, with its members in order, and moved to where it began; so every byte
 * is moved as often as it is deep.
 */

typedef struct {
    tk_annotations_t   *a;
    tk_json_reader_t    reader;
    tk_text_t           out;
    tk_text_t           members;      /* tk_member_t */
    tk_frame_t          frames[TK_JSON_DEPTH];
    unsigned            depth;
} tk_collect_t;


static tk_malformed_e tk_collect_in_place(tk_collect_t *c);
static void tk_annotations_swap(tk_annotations_t *one,
    tk_annotations_t *two);
static tk_malformed_e tk_collect_object(tk_collect_t *c);
static tk_malformed_e tk_collect_token(tk_collect_t *c,
    tk_json_token_t token);
static tk_malformed_e tk_collect_open(tk_collect_t *c, int object);
static tk_malformed_e tk_collect_close(tk_collect_t *c);
static tk_malformed_e tk_collect_sorted(tk_collect_t *c, tk_frame_t *frame);
static tk_malformed_e tk_collect_key(tk_collect_t *c);
static tk_malformed_e tk_collect_scalar(tk_collect_t *c,
    tk_json_token_t token);
static tk_malformed_e tk_collect_number(tk_collect_t *c,
    tk_json_token_t token);
static tk_malformed_e tk_collect_value_done(tk_collect_t *c,
    tk_annotation_e type);
static tk_malformed_e tk_collect_decode(tk_collect_t *c,
    const tk_str_t *text);
static void tk_collect_string(tk_collect_t *c, const uint8_t *p, size_t len);
static int tk_member_compare(const tk_collect_t *c, const tk_member_t *one,
    const tk_member_t *two);
static void tk_member_sort(const tk_collect_t *c, tk_member_t *m, size_t n);
static void tk_member_sift(const tk_collect_t *c, tk_member_t *m, size_t i,
    size_t n);


#define tk_collect_text(c, s)  tk_text_put(&(c)->out, s, sizeof(s) - 1)


tk_malformed_e
tk_annotations_read_json(tk_annotations_t *a, const tk_text_t *text)
{
    int              little;
    size_t           mark;
    tk_text_t        utf8;
    tk_collect_t    *c;
    tk_malformed_e   rc;

    memset(&utf8, 0, sizeof(utf8));
    utf8.budget = &a->budget;

    if (tk_json_width(text->data, text->len, &little, &mark) != 1) {
        rc = tk_json_utf(&utf8, text->data, text->len);

        if (rc != TK_MALFORMED_NONE) {
            tk_text_free(&utf8);
            return rc;
        }

        text = &utf8;
    }

    /* some 16 KiB: not for the stack of a thread */

    c = calloc(1, sizeof(tk_collect_t));

    if (c == NULL) {
        tk_text_free(&utf8);
        return TK_MALFORMED_NO_MEMORY;
    }

    c->a = a;
    c->out.budget = &a->budget;
    c->members.budget = &a->budget;

    tk_json_reader_init(&c->reader, text->data, text->len, a->conf.depth);

    /* so that an empty name is somewhere */

    rc = tk_text_reserve(&c->out, 1);

    if (rc == TK_MALFORMED_NONE) {
        rc = tk_collect_in_place(c);
    }

    tk_text_free(&c->out);
    tk_text_free(&c->members);
    free(c);
    tk_text_free(&utf8);

    return rc;
}


/* what was there comes back if the text is no object */

static tk_malformed_e
tk_collect_in_place(tk_collect_t *c)
{
    tk_malformed_e     rc;
    tk_annotations_t   old, *a;

    a = c->a;

    memset(&old, 0, sizeof(old));
    tk_annotations_swap(a, &old);

    rc = tk_collect_object(c);

    if (rc == TK_MALFORMED_NONE) {
        tk_annotations_swap(a, &old);
        tk_annotations_clear(a);

    } else {
        tk_annotations_clear(a);
    }

    tk_annotations_swap(a, &old);

    return rc;
}


static void
tk_annotations_swap(tk_annotations_t *one, tk_annotations_t *two)
{
    uint32_t           n, size;
    tk_annotation_t  **sorted;

    sorted = one->sorted;
    n = one->n;
    size = one->size;

    one->sorted = two->sorted;
    one->n = two->n;
    one->size = two->size;

    two->sorted = sorted;
    two->n = n;
    two->size = size;
}


static tk_malformed_e
tk_collect_object(tk_collect_t *c)
{
    tk_malformed_e   rc;
    tk_json_token_t  token;

    token = tk_json_next(&c->reader);

    if (token == TK_JSON_ERROR) {
        return TK_MALFORMED_JSON;
    }

    if (token != TK_JSON_OBJECT) {

        /* what is not JSON at all is said first */

        if (tk_json_skip(&c->reader, token) != 0
            || tk_json_next(&c->reader) != TK_JSON_END)
        {
            return TK_MALFORMED_JSON;
        }

        return TK_MALFORMED_JSON_VALUE;
    }

    /* the object itself has no frame that is printed */

    c->frames[0].object = 1;
    c->depth = 1;

    for ( ;; ) {

        token = tk_json_next(&c->reader);

        if (token == TK_JSON_END) {
            return TK_MALFORMED_NONE;
        }

        if (token == TK_JSON_ERROR) {
            return TK_MALFORMED_JSON;
        }

        rc = tk_collect_token(c, token);

        if (rc != TK_MALFORMED_NONE) {
            return rc;
        }
    }
}


static tk_malformed_e
tk_collect_token(tk_collect_t *c, tk_json_token_t token)
{
    tk_frame_t      *frame;
    tk_malformed_e   rc;

    switch (token) {

    case TK_JSON_KEY:
        return tk_collect_key(c);

    case TK_JSON_OBJECT_END:
    case TK_JSON_ARRAY_END:
        return tk_collect_close(c);

    default:
        break;
    }

    frame = &c->frames[c->depth - 1];

    if (!frame->object) {

        if (!frame->first) {
            rc = tk_collect_text(c, ", ");

            if (rc != TK_MALFORMED_NONE) {
                return rc;
            }
        }

        frame->first = 0;
    }

    switch (token) {

    case TK_JSON_OBJECT:
        return tk_collect_open(c, 1);

    case TK_JSON_ARRAY:
        return tk_collect_open(c, 0);

    default:
        return tk_collect_scalar(c, token);
    }
}


static tk_malformed_e
tk_collect_open(tk_collect_t *c, int object)
{
    tk_frame_t  *frame;

    frame = &c->frames[c->depth++];

    frame->start = c->out.len;
    frame->members = c->members.len;
    frame->object = (object != 0);
    frame->first = 1;

    return object ? TK_MALFORMED_NONE : tk_collect_text(c, "[");
}


static tk_malformed_e
tk_collect_close(tk_collect_t *c)
{
    tk_frame_t      *frame;
    tk_malformed_e   rc;

    frame = &c->frames[--c->depth];

    if (c->depth == 0) {
        return TK_MALFORMED_NONE;
    }

    rc = frame->object ? tk_collect_sorted(c, frame)
                       : tk_collect_text(c, "]");

    if (rc != TK_MALFORMED_NONE) {
        return rc;
    }

    return tk_collect_value_done(c, TK_ANNOTATION_JSON);
}


static tk_malformed_e
tk_collect_sorted(tk_collect_t *c, tk_frame_t *frame)
{
    int              first;
    size_t           i, n, end;
    tk_member_t     *m;
    tk_malformed_e   rc;

    end = c->out.len;
    n = (c->members.len - frame->members) / sizeof(tk_member_t);
    m = NULL;

    if (n) {
        m = (tk_member_t *) (void *) (c->members.data + frame->members);
        tk_member_sort(c, m, n);
    }

    rc = tk_collect_text(c, "{");
    first = 1;

    for (i = 0; i < n && rc == TK_MALFORMED_NONE; i++) {

        /* of equal keys the last one in the text is the last one here */

        if (i + 1 < n && m[i].key_len == m[i + 1].key_len
            && memcmp(c->out.data + m[i].key, c->out.data + m[i + 1].key,
                      m[i].key_len) == 0)
        {
            continue;
        }

        if (!first) {
            rc = tk_collect_text(c, ", ");
        }

        first = 0;

        /* nothing of out is looked at while out may move */

        if (rc == TK_MALFORMED_NONE) {
            rc = tk_text_reserve(&c->out,
                                 6 * m[i].key_len + m[i].value_len + 5);
        }

        if (rc == TK_MALFORMED_NONE) {
            tk_collect_string(c, c->out.data + m[i].key, m[i].key_len);
            (void) tk_collect_text(c, ": ");
            (void) tk_text_put(&c->out, c->out.data + m[i].value,
                               m[i].value_len);
        }
    }

    if (rc == TK_MALFORMED_NONE) {
        rc = tk_collect_text(c, "}");
    }

    if (rc != TK_MALFORMED_NONE) {
        return rc;
    }

    memmove(c->out.data + frame->start, c->out.data + end, c->out.len - end);

    c->out.len = frame->start + (c->out.len - end);
    c->members.len = frame->members;

    return TK_MALFORMED_NONE;
}


/* its value follows it in out */

static tk_malformed_e
tk_collect_key(tk_collect_t *c)
{
    tk_str_t         text;
    tk_member_t      m;
    tk_malformed_e   rc;

    m.key = c->out.len;

    text = c->reader.text;
    rc = tk_collect_decode(c, &text);

    if (rc != TK_MALFORMED_NONE) {
        return rc;
    }

    m.key_len = c->out.len - m.key;
    m.value = c->out.len;
    m.value_len = 0;

    return tk_text_put(&c->members, &m, sizeof(m));
}


static tk_malformed_e
tk_collect_scalar(tk_collect_t *c, tk_json_token_t token)
{
    size_t            start, end;
    tk_str_t          text;
    tk_malformed_e    rc;
    tk_annotation_e   type;

    text = c->reader.text;
    type = TK_ANNOTATION_NUMBER;

    switch (token) {

    case TK_JSON_STRING:
        type = TK_ANNOTATION_TEXT;
        start = c->out.len;

        rc = tk_collect_decode(c, &text);

        if (rc != TK_MALFORMED_NONE || c->depth == 1) {
            break;
        }

        /* printed behind the text, and moved over it */

        rc = tk_text_reserve(&c->out, 6 * (c->out.len - start) + 2);

        if (rc == TK_MALFORMED_NONE) {
            end = c->out.len;
            tk_collect_string(c, c->out.data + start, end - start);

            memmove(c->out.data + start, c->out.data + end,
                    c->out.len - end);
            c->out.len = start + (c->out.len - end);
        }

        break;

    case TK_JSON_TRUE:
        type = TK_ANNOTATION_TRUE;
        rc = tk_collect_text(c, "true");
        break;

    case TK_JSON_FALSE:
        type = TK_ANNOTATION_FALSE;
        rc = tk_collect_text(c, "false");
        break;

    case TK_JSON_NULL:
        type = TK_ANNOTATION_NULL;
        rc = tk_collect_text(c, "null");
        break;

    default:
        rc = tk_collect_number(c, token);
        break;
    }

    if (rc != TK_MALFORMED_NONE) {
        return rc;
    }

    return tk_collect_value_done(c, type);
}


static tk_malformed_e
tk_collect_number(tk_collect_t *c, tk_json_token_t token)
{
    size_t    n;
    uint8_t   buf[TK_NUMBER];
    tk_str_t  text;

    text = c->reader.text;

    if (token == TK_JSON_FLOAT) {
        n = tk_number_repr(buf, tk_number_parse(&text));
        return tk_text_put(&c->out, buf, n);
    }

    /* an int has no negative zero */

    if (text.len == 2 && text.data[0] == '-' && text.data[1] == '0') {
        return tk_collect_text(c, "0");
    }

    return tk_text_put(&c->out, text.data, text.len);
}


/* a member's value is complete; of the outermost object, an annotation */

static tk_malformed_e
tk_collect_value_done(tk_collect_t *c, tk_annotation_e type)
{
    tk_str_t         name, value;
    tk_member_t     *m;
    tk_malformed_e   rc;

    if (!c->frames[c->depth - 1].object) {
        return TK_MALFORMED_NONE;
    }

    m = (tk_member_t *) (void *) (c->members.data + c->members.len
                                  - sizeof(tk_member_t));
    m->value_len = c->out.len - m->value;

    if (c->depth > 1) {
        return TK_MALFORMED_NONE;
    }

    name.data = c->out.data + m->key;
    name.len = m->key_len;
    value.data = c->out.data + m->value;
    value.len = m->value_len;

    rc = tk_annotations_insert(c->a, &name, &value, NULL, type);

    c->out.len = 0;
    c->members.len = 0;

    return rc;
}


/* to UTF-8, but a lone surrogate to three bytes */

static tk_malformed_e
tk_collect_decode(tk_collect_t *c, const tk_str_t *text)
{
    int              k;
    size_t           n;
    uint32_t         ch, u;
    const uint8_t   *p, *start, *last;
    tk_malformed_e   rc;

    rc = tk_text_reserve(&c->out, text->len);

    if (rc != TK_MALFORMED_NONE || text->len == 0) {
        return rc;
    }

    p = text->data;
    last = p + text->len;

    while (p < last) {

        start = memchr(p, '\\', (size_t) (last - p));
        start = start ? start : last;

        (void) tk_text_put(&c->out, p, (size_t) (start - p));

        if (start == last) {
            break;
        }

        p = start;
        ch = tk_json_decode_char(&p, last);

        if (ch == 0xfffd) {
            for (k = 2, u = 0; k < 6; k++) {
                u = u << 4 | (uint32_t) (start[k] <= '9'
                                         ? start[k] - '0'
                                         : (start[k] | 0x20) - 'a' + 10);
            }

            ch = u;
        }

        n = tk_utf8_encode(c->out.data + c->out.len, ch);
        c->out.len += n;
    }

    return TK_MALFORMED_NONE;
}


/* there is room; p may be in out */

static void
tk_collect_string(tk_collect_t *c, const uint8_t *p, size_t len)
{
    c->out.data[c->out.len++] = '"';
    c->out.len += tk_json_escape_wide(c->out.data + c->out.len, p, len);
    c->out.data[c->out.len++] = '"';
}


/* equal keys in the order in which they came */

static int
tk_member_compare(const tk_collect_t *c, const tk_member_t *one,
    const tk_member_t *two)
{
    int       rc;
    tk_str_t  a, b;

    a.data = c->out.data + one->key;
    a.len = one->key_len;
    b.data = c->out.data + two->key;
    b.len = two->key_len;

    rc = tk_str_compare(&a, &b);

    return rc ? rc : (one->key > two->key) - (one->key < two->key);
}


/* heap sort: no memory, and no input makes it slow */

static void
tk_member_sort(const tk_collect_t *c, tk_member_t *m, size_t n)
{
    size_t       i;
    tk_member_t  t;

    for (i = 1; i < n && tk_member_compare(c, &m[i - 1], &m[i]) < 0; i++) {
        /* void */
    }

    if (i >= n) {
        return;
    }

    for (i = n / 2; i-- > 0; /* void */ ) {
        tk_member_sift(c, m, i, n);
    }

    for (i = n - 1; i > 0; i--) {
        t = m[0];
        m[0] = m[i];
        m[i] = t;

        tk_member_sift(c, m, 0, i);
    }
}


static void
tk_member_sift(const tk_collect_t *c, tk_member_t *m, size_t i, size_t n)
{
    size_t       child;
    tk_member_t  t;

    for ( ;; ) {
        child = 2 * i + 1;

        if (child >= n) {
            return;
        }

        if (child + 1 < n
            && tk_member_compare(c, &m[child], &m[child + 1]) < 0)
        {
            child++;
        }

        if (tk_member_compare(c, &m[i], &m[child]) >= 0) {
            return;
        }

        t = m[i];
        m[i] = m[child];
        m[child] = t;

        i = child;
    }
}
