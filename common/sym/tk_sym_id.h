
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYM_ID_H_INCLUDED_
#define _TK_SYM_ID_H_INCLUDED_


#include "tk_wire.h"


/* of a module: the debugid crate's DebugId */

typedef struct {
    uint8_t    id[16];                  /* a time stamp: 4 bytes, then zeros */
    uint32_t   age;
    unsigned   pdb20:1;
} tk_sym_id_t;


#define TK_SYM_ID_LEN  40


/*
 * Hex digits of either case: 32 and up to 8 of an age (more are ignored), or,
 * of PDB 2.0, 8 and 1 to 8.  Returns 0, or -1 if this is no id.
 */
int tk_sym_id_parse(tk_sym_id_t *id, const uint8_t *p, size_t len);

int tk_sym_id_equal(const tk_sym_id_t *a, const tk_sym_id_t *b);

/* The form of symbol servers, upper case, at most TK_SYM_ID_LEN bytes. */
size_t tk_sym_id_text(uint8_t *dst, const tk_sym_id_t *id);


#endif /* _TK_SYM_ID_H_INCLUDED_ */
