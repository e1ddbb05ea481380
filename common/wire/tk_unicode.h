
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_UNICODE_H_INCLUDED_
#define _TK_UNICODE_H_INCLUDED_


#include "tk_text.h"


/*
 * Text of others to UTF-8, as Python's codecs read it.  What is written is
 * UTF-8, but that lone surrogates may be three bytes each.
 */

/* is it UTF-8 (RFC 3629)? */
int tk_utf8_valid(const uint8_t *p, size_t len);

/*
 * decode("utf-8", "replace"): U+FFFD for what is wrong, once for the bytes
 * of a character that was begun.
 */
tk_malformed_e tk_utf8_replace(tk_text_t *text, const uint8_t *p, size_t len);

/* at most four bytes; returns how many */
size_t tk_utf8_encode(uint8_t *dst, uint32_t ch);

/*
 * As tk_json_escape(), and lone surrogates of three bytes as \\ud800; dst has
 * room for 6 * len bytes.
 */
size_t tk_json_escape_wide(uint8_t *dst, const uint8_t *p, size_t len);

tk_malformed_e tk_latin1(tk_text_t *text, const uint8_t *p, size_t len);

/*
 * JSON in UTF-16 or UTF-32, with a mark or without, to UTF-8.  A surrogate
 * that is alone becomes an escape of JSON.  Returns TK_MALFORMED_JSON if it
 * is not such text.
 */
tk_malformed_e tk_json_utf(tk_text_t *text, const uint8_t *p, size_t len);

/* 1, 2 or 4: bytes that a character has, as Python's json detects it */
unsigned tk_json_width(const uint8_t *p, size_t len, int *little,
    size_t *mark);


#endif /* _TK_UNICODE_H_INCLUDED_ */
