
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <limits.h>
#include <string.h>

#include "tk_version.h"


/* one part: number, word, number, word */

typedef struct {
    uint32_t  major;
    tk_str_t  word;
    uint32_t  minor;
    tk_str_t  rest;
} tk_version_part_t;


static void tk_version_part(tk_version_part_t *part, tk_str_t *text);
static uint32_t tk_version_number(tk_str_t *text);
static tk_str_t tk_version_word(tk_str_t *text);
static int tk_version_words(tk_str_t a, tk_str_t b);


int
tk_version_cmp(tk_str_t a, tk_str_t b)
{
    int                rc;
    tk_version_part_t  x, y;

    do {
        tk_version_part(&x, &a);
        tk_version_part(&y, &b);

        if (x.major != y.major) {
            return x.major < y.major ? -1 : 1;
        }

        rc = tk_version_words(x.word, y.word);

        if (rc) {
            return rc;
        }

        if (x.minor != y.minor) {
            return x.minor < y.minor ? -1 : 1;
        }

        rc = tk_version_words(x.rest, y.rest);

        if (rc) {
            return rc;
        }

    } while (a.len || b.len);

    return 0;
}


static void
tk_version_part(tk_version_part_t *part, tk_str_t *text)
{
    tk_str_t        s;
    const uint8_t  *dot;

    static const tk_str_t  pre = tk_string("pre");

    s = *text;
    dot = s.len ? memchr(s.data, '.', s.len) : NULL;

    if (dot) {
        s.len = (size_t) (dot - s.data);
        text->len -= s.len + 1;
        text->data = dot + 1;

    } else {
        text->len = 0;
    }

    if (s.len == 1 && s.data[0] == '*') {
        part->major = UINT_MAX;
        s.len = 0;

    } else {
        part->major = tk_version_number(&s);
    }

    if (s.len == 1 && s.data[0] == '+') {
        part->major += (part->major != UINT_MAX);
        part->word = pre;
        s.len = 0;

    } else {
        part->word = tk_version_word(&s);
    }

    part->minor = tk_version_number(&s);
    part->rest = s;
}


/* what does not fit is as great as can be, "*" is greater still */

static uint32_t
tk_version_number(tk_str_t *text)
{
    uint32_t  n;

    n = 0;

    while (text->len && text->data[0] >= '0' && text->data[0] <= '9') {

        if (n > (UINT_MAX - 1 - 9) / 10) {
            n = UINT_MAX - 1;

        } else if (n != UINT_MAX - 1) {
            n = n * 10 + (uint32_t) (text->data[0] - '0');
        }

        text->data++;
        text->len--;
    }

    return n;
}


static tk_str_t
tk_version_word(tk_str_t *text)
{
    tk_str_t  word;

    word = *text;
    word.len = 0;

    while (text->len && (text->data[0] < '0' || text->data[0] > '9')) {
        word.len++;
        text->data++;
        text->len--;
    }

    return word;
}


static int
tk_version_words(tk_str_t a, tk_str_t b)
{
    int     rc;
    size_t  len;

    if (a.len == 0 || b.len == 0) {
        return (a.len == 0) - (b.len == 0);
    }

    len = a.len < b.len ? a.len : b.len;
    rc = memcmp(a.data, b.data, len);

    if (rc) {
        return rc;
    }

    return (a.len > b.len) - (a.len < b.len);
}
