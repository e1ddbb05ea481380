
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYMBOL_H_INCLUDED_
#define _TK_SYMBOL_H_INCLUDED_


#include "tk_wire.h"


/* what a path names: [/try]/<debug file>/<debug id>/<file> */

typedef struct {
    tk_str_t  debug_file;
    tk_str_t  debug_id;        /* as requested, any case */
    tk_str_t  file;
    unsigned  try:1;           /* the path starts with /try/ */
} tk_symbol_t;


typedef enum {
    TK_SYMBOL_OK = 0,
    TK_SYMBOL_NOT_FOUND,       /* no route: "Not Found" */
    TK_SYMBOL_LEGACY           /* four components, the first is no product */
} tk_symbol_rc_t;


/*
 * Splits a percent-decoded path.  The routes are those of Tecken of 2020
 * (tecken/download/urls.py): components are [^/]+, the id is [0-9A-Fa-f]+;
 * a first component of four is "try", or one of the products and then
 * dropped, or TK_SYMBOL_LEGACY if the third is hexadecimal.  The results
 * point into path; with TK_SYMBOL_NOT_FOUND there are none.
 */
tk_symbol_rc_t tk_symbol_parse(tk_symbol_t *s, const uint8_t *path,
    size_t len, const tk_str_t *products, size_t nproducts);

/*
 * Returns 1 if debug file and file have only characters that a stored symbol
 * may have, else 0: none of U+0000-U+001F, U+0080-U+00FF, \ ^ ` > < { } [ ]
 * # % " ' ~ | and no malformed UTF-8 (tecken/base/utils.py:60-64).
 */
int tk_symbol_valid(const tk_symbol_t *s);

/*
 * Writes "<debug file>/<DEBUG ID>/<file>", the id in upper case, and returns
 * its length: debug_file.len + debug_id.len + file.len + 2.
 */
size_t tk_symbol_key(uint8_t *dst, const tk_symbol_t *s);


#endif /* _TK_SYMBOL_H_INCLUDED_ */
