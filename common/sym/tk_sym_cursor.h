
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYM_CURSOR_H_INCLUDED_
#define _TK_SYM_CURSOR_H_INCLUDED_


/* A way through the entries of a function that has become code. */


#include "tk_sym.h"


/* a function, or a PUBLIC, of a cluster: only where its entries start */

typedef struct {
    uint64_t         start;
    uint64_t         next;
    const uint8_t   *p;
    tk_sym_kind_t    kind;
    uint32_t         unit;              /* of the entry */
    uint32_t         last_unit;
    uint32_t         name;              /* of a PUBLIC */
    unsigned         public:1;
    unsigned         ended:1;
} tk_sym_cursor_t;


/* To the first entry of c->unit; then to the next one of the function, up to
 * c->last_unit.  At its end there is a gap. */

void tk_sym_cursor_unit(tk_sym_cursor_t *c, const tk_sym_unit_t *units,
    const uint8_t *code);
void tk_sym_cursor_next(tk_sym_cursor_t *c, const tk_sym_unit_t *units,
    const uint8_t *code);


#endif /* _TK_SYM_CURSOR_H_INCLUDED_ */
