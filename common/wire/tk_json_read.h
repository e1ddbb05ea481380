
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_JSON_READ_H_INCLUDED_
#define _TK_JSON_READ_H_INCLUDED_


/*
 * Reading JSON (RFC 8259) that somebody else wrote: token by token, in one
 * pass, without recursion, allocation or a tree.  Integers keep all their
 * digits, which a library that makes doubles of them loses.  The caller walks
 * once and takes what it needs; that the last of equal keys wins, as Python
 * has it, follows from taking each in turn.
 */


#include "tk_wire.h"


#define TK_JSON_DEPTH  512      /* the most that a limit may be */


typedef enum {
    TK_JSON_ERROR = 0,          /* rd->error says which; stays so */
    TK_JSON_END,                /* of the text, after its one value */
    TK_JSON_OBJECT,
    TK_JSON_OBJECT_END,
    TK_JSON_ARRAY,
    TK_JSON_ARRAY_END,
    TK_JSON_KEY,                /* the next token begins its value */
    TK_JSON_STRING,
    TK_JSON_INTEGER,
    TK_JSON_FLOAT,              /* has a fraction or an exponent */
    TK_JSON_NAN,                /* NaN, Infinity, -Infinity: no JSON, but
                                   Python's json takes and writes them */
    TK_JSON_TRUE,
    TK_JSON_FALSE,
    TK_JSON_NULL
} tk_json_token_t;


typedef enum {
    TK_JSON_ENONE = 0,
    TK_JSON_ESYNTAX,
    TK_JSON_EDEPTH,
    TK_JSON_EUTF8,              /* in a string; elsewhere it is ESYNTAX */
    TK_JSON_ETRAILING           /* more text after the value */
} tk_json_error_t;


typedef struct {
    const uint8_t    *pos;      /* after a key: where its value begins; after
                                   an error: where it is */
    const uint8_t    *last;

    tk_str_t          text;     /* of KEY and STRING, between the quotes and
                                   as written; of a number, as written */
    tk_json_error_t   error;

    unsigned          escaped:1;    /* text has a backslash */

    /* private */
    unsigned          state:3;
    unsigned          depth;
    unsigned          max_depth;
    uint8_t           kinds[TK_JSON_DEPTH / 8];
} tk_json_reader_t;


/*
 * Begins at text, which must stay.  A leading byte order mark is left out.
 * Arrays and objects may be within each other max_depth times, 1 to
 * TK_JSON_DEPTH.
 */
void tk_json_reader_init(tk_json_reader_t *rd, const uint8_t *text,
    size_t len, unsigned max_depth);

tk_json_token_t tk_json_next(tk_json_reader_t *rd);

/*
 * Goes to the end of the value that token, the last one returned, begins.
 * Returns 0, or -1 on an error.
 */
int tk_json_skip(tk_json_reader_t *rd, tk_json_token_t token);

/* is the key or string rd has just returned this name (UTF-8)? */
int tk_json_is(const tk_json_reader_t *rd, const char *name, size_t len);

/*
 * Decodes text of a KEY or STRING to UTF-8; a lone surrogate becomes U+FFFD.
 * dst may be NULL: nothing is written.  Returns the length, at most text.len.
 */
size_t tk_json_decode(uint8_t *dst, tk_str_t text);

/* the next character of such a text; *p < last on entry */
uint32_t tk_json_decode_char(const uint8_t **p, const uint8_t *last);

/*
 * The value of an INTEGER: *negative is its sign, -0 has none, *value its
 * magnitude.  Returns 0, or -1 if that is more than 2^64 - 1.
 */
int tk_json_integer(tk_str_t text, int *negative, uint64_t *value);


#endif /* _TK_JSON_READ_H_INCLUDED_ */
