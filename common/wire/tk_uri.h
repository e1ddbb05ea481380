
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_URI_H_INCLUDED_
#define _TK_URI_H_INCLUDED_


#include "tk_wire.h"


#define TK_URI_SLASH  1    /* encode: "/" is kept as it is */
#define TK_URI_PLUS   2    /* decode: "+" means a space (query strings) */


/*
 * Percent-encodes everything but the unreserved characters of RFC 3986
 * (ALPHA DIGIT - . _ ~), upper-case hex, as SigV4 asks.  dst may be NULL:
 * nothing is written.  Returns the length of the result, at most 3 * len.
 */
size_t tk_uri_encode(uint8_t *dst, const uint8_t *src, size_t len,
    unsigned flags);

/*
 * Percent-decodes; a "%" without two hex digits stays as it is, as Python's
 * unquote() does.  dst may equal src.  Returns the length, at most len.
 */
size_t tk_uri_decode(uint8_t *dst, const uint8_t *src, size_t len,
    unsigned flags);

/*
 * The next code point of UTF-8 text (RFC 3629: no surrogates, no overlong
 * forms, at most U+10FFFF).  *p advances past it.  On a malformed sequence
 * returns 0xffffffff and advances by one byte.  *p < last on entry.
 */
uint32_t tk_utf8_decode(const uint8_t **p, const uint8_t *last);

/*
 * The last value of a query argument, the one that counts to Django.  Names
 * are compared after decoding.  Returns 1 if the argument is there ("name",
 * "name=" and "name=x" alike) and sets *value to its undecoded value; else
 * returns 0.
 */
int tk_query_find(const uint8_t *args, size_t len, const char *name,
    tk_str_t *value);


#endif /* _TK_URI_H_INCLUDED_ */
