
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <stdlib.h>
#include <string.h>

#include "tk_text.h"


#define TK_TEXT_MIN  64


tk_malformed_e
tk_text_put(tk_text_t *text, const void *data, size_t len)
{
    tk_malformed_e  rc;

    if (len == 0) {
        return TK_MALFORMED_NONE;
    }

    rc = tk_text_reserve(text, len);

    if (rc == TK_MALFORMED_NONE) {
        memcpy(text->data + text->len, data, len);
        text->len += len;
    }

    return rc;
}


/* room for len more bytes; doubles, as far as the budget goes */

tk_malformed_e
tk_text_reserve(tk_text_t *text, size_t len)
{
    size_t   need, size;
    uint8_t  *data;

    if (len <= text->size - text->len) {
        return TK_MALFORMED_NONE;
    }

    need = len - (text->size - text->len);

    if (need > *text->budget) {
        return TK_MALFORMED_ANNOTATIONS;
    }

    size = text->size ? text->size : TK_TEXT_MIN;
    size = (size > need) ? size : need;
    size = (size < *text->budget) ? size : *text->budget;

    data = realloc(text->data, text->size + size);

    if (data == NULL) {
        return TK_MALFORMED_NO_MEMORY;
    }

    text->data = data;
    text->size += size;
    *text->budget -= size;

    return TK_MALFORMED_NONE;
}


/* gives up what is not used */

void
tk_text_trim(tk_text_t *text)
{
    uint8_t  *data;

    if (text->len == 0) {
        tk_text_free(text);
        return;
    }

    data = realloc(text->data, text->len);

    if (data) {
        *text->budget += text->size - text->len;
        text->data = data;
        text->size = text->len;
    }
}


void
tk_text_free(tk_text_t *text)
{
    free(text->data);

    *text->budget += text->size;

    text->data = NULL;
    text->len = 0;
    text->size = 0;
}


int
tk_str_compare(const tk_str_t *one, const tk_str_t *two)
{
    int     rc;
    size_t  n;

    n = (one->len < two->len) ? one->len : two->len;
    rc = n ? memcmp(one->data, two->data, n) : 0;

    return rc ? rc : (one->len > two->len) - (one->len < two->len);
}
