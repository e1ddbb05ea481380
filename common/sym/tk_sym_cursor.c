
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym_cursor.h"


static int tk_sym_cursor_skip(tk_sym_cursor_t *c);


void
tk_sym_cursor_next(tk_sym_cursor_t *c, const tk_sym_unit_t *units,
    const uint8_t *code)
{
    if (c->public || c->unit == c->last_unit) {
        c->ended = 1;
        return;
    }

    c->start = c->next;

    while (!tk_sym_cursor_skip(c)) {

        if (++c->unit == c->last_unit) {
            c->kind = TK_SYM_GAP;
            c->ended = (c->start > UINT32_MAX);
            return;
        }

        tk_sym_cursor_unit(c, units, code);
    }
}


void
tk_sym_cursor_unit(tk_sym_cursor_t *c, const tk_sym_unit_t *units,
    const uint8_t *code)
{
    uint8_t         head;
    uint32_t        start;
    const uint8_t  *p;

    start = units[c->unit].start;
    p = code + units[c->unit].code;

    head = *p++;
    p += (head & TK_UNIT_NAME_BYTES) + 1;

    if (head & TK_UNIT_INSIDE) {
        (void) tk_sym_varint(&p);
    }

    c->p = p;
    c->next = start;
    c->start = start;
}


/* Passes over an entry; 0 if there is none. */

static int
tk_sym_cursor_skip(tk_sym_cursor_t *c)
{
    uint8_t  op;

    c->kind = TK_SYM_SET;

    for ( ;; ) {
        op = *c->p++;

        if (op >= TK_OP_ENTRY) {
            c->next += 1u + (op - (unsigned) TK_OP_ENTRY) / TK_ENTRY_LINES;
            return 1;
        }

        if (op >= TK_OP_LONG) {
            c->next += op == TK_OP_LONG ? tk_sym_varint(&c->p)
                                        : op - (uint32_t) TK_OP_LONG;
            (void) tk_sym_varint(&c->p);
            return 1;
        }

        switch (op) {

        case TK_OP_END:
            return 0;

        case TK_OP_NONE:
            c->kind = TK_SYM_GAP;
            break;

        case TK_OP_BARE:
            c->kind = TK_SYM_BARE;
            break;

        case TK_OP_FILE:
        case TK_OP_POPN:
            (void) tk_sym_varint(&c->p);
            break;

        case TK_OP_CALL3:
        case TK_OP_CALL4:
            c->p += 3 + op - TK_OP_CALL3;
            (void) tk_sym_varint(&c->p);
            break;

        default:
            break;
        }
    }
}
