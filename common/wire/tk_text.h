
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_TEXT_H_INCLUDED_
#define _TK_TEXT_H_INCLUDED_


#include "tk_malformed.h"


/* Where text goes; anything but 0 ends the writing and is handed on. */

typedef int (*tk_text_write_pt)(void *data, const uint8_t *p, size_t len);


/*
 * Text that grows, within what is left of a budget that several texts may
 * share.
 */

typedef struct {
    uint8_t  *data;
    size_t    len;
    size_t    size;
    size_t   *budget;                 /* bytes that may still be allocated */
} tk_text_t;


/* TK_MALFORMED_NONE, TK_MALFORMED_ANNOTATIONS or TK_MALFORMED_NO_MEMORY */
tk_malformed_e tk_text_put(tk_text_t *text, const void *data, size_t len);
tk_malformed_e tk_text_reserve(tk_text_t *text, size_t len);
/* gives back what is not used */
void tk_text_trim(tk_text_t *text);

void tk_text_free(tk_text_t *text);

/* the memory of a text that was taken from it, with its size */
void tk_text_release(uint8_t *data, size_t size);


/* as memcmp(), the shorter one first */
int tk_str_compare(const tk_str_t *one, const tk_str_t *two);


#endif /* _TK_TEXT_H_INCLUDED_ */
