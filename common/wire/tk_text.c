
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE                   /* mremap() */
#endif

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tk_text.h"


#define TK_TEXT_MIN  64


/*
 * From here on text has pages of its own: realloc() may copy tens of megabytes
 * when it grows, mremap() never does.
 */

#define TK_TEXT_MAP  (1024 * 1024)


static uint8_t *tk_text_resize(uint8_t *data, size_t old, size_t size);


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

    data = tk_text_resize(text->data, text->size, text->size + size);

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

    data = tk_text_resize(text->data, text->size, text->len);

    if (data) {
        *text->budget += text->size - text->len;
        text->data = data;
        text->size = text->len;
    }
}


void
tk_text_free(tk_text_t *text)
{
    tk_text_release(text->data, text->size);

    *text->budget += text->size;

    text->data = NULL;
    text->len = 0;
    text->size = 0;
}


void
tk_text_release(uint8_t *data, size_t size)
{
    if (size >= TK_TEXT_MAP) {
        (void) munmap(data, size);

    } else {
        free(data);
    }
}


static uint8_t *
tk_text_resize(uint8_t *data, size_t old, size_t size)
{
    void  *p;

    if (old < TK_TEXT_MAP && size < TK_TEXT_MAP) {
        return realloc(data, size);
    }

    if (old >= TK_TEXT_MAP && size >= TK_TEXT_MAP) {
        p = mremap(data, old, size, MREMAP_MAYMOVE);
        return (p == MAP_FAILED) ? NULL : p;
    }

    if (size >= TK_TEXT_MAP) {
        p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS,
                 -1, 0);
        p = (p == MAP_FAILED) ? NULL : p;

    } else {
        p = malloc(size);
    }

    if (p == NULL) {
        return NULL;
    }

    if (old) {
        memcpy(p, data, (old < size) ? old : size);
    }

    tk_text_release(data, old);

    return p;
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
