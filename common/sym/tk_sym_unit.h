
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYM_UNIT_H_INCLUDED_
#define _TK_SYM_UNIT_H_INCLUDED_


/* Reading a unit, entry by entry: for lookups, and to merge functions. */


#include "tk_symcache_format.h"

#include <stddef.h>
#include <string.h>


#define TK_SYM_DEPTH  256               /* of inlined calls */


/* a call: where from, and the place in the callee */

typedef struct {
    uint32_t         origin;
    uint32_t         file;
    uint32_t         line;
    uint32_t         from;              /* the caller's place */
    uint32_t         place;
} tk_sym_slot_t;


typedef struct {
    uint32_t         file;
    uint32_t         line;
} tk_sym_place_t;


typedef enum {
    TK_SYM_SET = 0,                     /* a line: wins over what is there */
    TK_SYM_BARE,                        /* a name: where nothing or no symbol
                                         * is */
    TK_SYM_GAP                          /* no symbol: where nothing is */
} tk_sym_kind_t;


typedef struct {
    const uint8_t   *p;
    const uint8_t   *last;              /* no instruction starts there */

    uint64_t         start;             /* of the entry */
    uint64_t         next;
    tk_sym_kind_t    kind;
    unsigned         open:1;            /* one entry without an end */

    uint32_t         name;
    uint32_t         entry;             /* address of the function */

    uint32_t         at;                /* the place */
    uint32_t         places;
    uint32_t         depth;
    uint32_t         live;              /* depths whose slots are valid */
    tk_sym_place_t   place[TK_UNIT_PLACES];
    tk_sym_slot_t    slot[TK_SYM_DEPTH];
} tk_sym_unit_reader_t;


static inline uint32_t
tk_sym_varint(const uint8_t **p)
{
    uint32_t  v, n;

    v = *(*p)++;

    if (v < 0x80) {
        return v;
    }

    v &= 0x7f;

    for (n = 7; n < 35; n += 7) {
        v |= (uint32_t) (**p & 0x7f) << n;

        if (*(*p)++ < 0x80) {
            break;
        }
    }

    return v;
}


static inline uint32_t
tk_sym_signed(const uint8_t **p)
{
    uint32_t  v;

    v = tk_sym_varint(p);

    return v >> 1 ^ (0 - (v & 1));
}


static inline uint32_t
tk_sym_load32(const uint8_t *p)
{
    uint32_t  v;

    memcpy(&v, p, sizeof(v));

    return v;
}


/* The unit at an offset of CODE, which starts at an address.  -1: damaged. */

static inline int
tk_sym_unit_open(tk_sym_unit_reader_t *r, const uint8_t *code, size_t size,
    size_t offset, uint32_t start)
{
    unsigned        n;
    uint8_t         head;
    const uint8_t  *p;

    if (size < TK_SYMCACHE_SLACK || offset >= size - TK_SYMCACHE_SLACK) {
        return -1;
    }

    p = code + offset;
    size -= offset + TK_SYMCACHE_SLACK;
    r->last = p + (size < TK_UNIT_SIZE ? size : TK_UNIT_SIZE);

    head = *p++;
    n = (head & TK_UNIT_NAME_BYTES) + 1;

    r->name = tk_sym_load32(p) & (0xffffffff >> (32 - 8 * n));
    r->name = head & TK_UNIT_NEAR ? (uint32_t) (offset / 4) - r->name
                                  : r->name;
    p += n;

    r->entry = start - (head & TK_UNIT_INSIDE ? tk_sym_varint(&p) : 0);
    r->open = (head & TK_UNIT_OPEN) != 0;

    r->p = p;
    r->start = start;
    r->next = start;
    r->kind = TK_SYM_BARE;
    r->at = 0;
    r->places = 1;
    r->depth = 0;
    r->live = 0;
    memset(r->place, 0, sizeof(r->place));

    return 0;
}


/* Into a call whose handle has n bytes. */

static inline void
tk_sym_unit_call(tk_sym_unit_reader_t *r, unsigned n)
{
    tk_sym_slot_t   *slot;
    tk_sym_place_t  *place;

    slot = &r->slot[r->depth++];
    place = &r->place[r->at];

    slot->origin = tk_sym_load32(r->p) & (0xffffffff >> (32 - 8 * n));
    r->p += n;

    place->line += tk_sym_signed(&r->p);

    slot->file = place->file;
    slot->line = place->line;
    slot->from = r->at;
    slot->place = r->at;

    r->live = r->depth;
}


/* The next entry; 0 if there is none, -1: damaged. */

static inline int
tk_sym_unit_next(tk_sym_unit_reader_t *r)
{
    uint8_t   op;
    uint32_t  n;

    r->start = r->next;
    r->kind = TK_SYM_SET;

    while (r->p < r->last) {
        op = *r->p++;

        if (op >= TK_OP_ENTRY) {
            n = (uint32_t) op - TK_OP_ENTRY;
            r->next += 1 + n / TK_ENTRY_LINES;
            r->place[r->at].line += n % TK_ENTRY_LINES
                                    + (uint32_t) TK_ENTRY_LINE_MIN;
            return 1;
        }

        if (op >= TK_OP_LONG) {
            r->next += op == TK_OP_LONG ? tk_sym_varint(&r->p)
                                        : op - (uint32_t) TK_OP_LONG;
            r->place[r->at].line += tk_sym_signed(&r->p);
            return 1;
        }

        if (op >= TK_OP_PLACE) {
            r->at = op - (uint32_t) TK_OP_PLACE;
            continue;
        }

        if (op == TK_OP_FILE) {
            r->at = r->places++ % TK_UNIT_PLACES;
            r->place[r->at].file = tk_sym_varint(&r->p);
            r->place[r->at].line = 0;
            continue;
        }

        if (op >= TK_OP_CALL3) {
            if (op > TK_OP_CALL4 || r->depth == TK_SYM_DEPTH) {
                return -1;
            }

            tk_sym_unit_call(r, 3 + op - (unsigned) TK_OP_CALL3);
            continue;
        }

        if (op == TK_OP_AGAIN) {
            if (r->depth >= r->live) {
                return -1;
            }

            r->at = r->slot[r->depth++].place;
            continue;
        }

        if (op >= TK_OP_POP) {
            n = op - (uint32_t) TK_OP_POP;

            if (op == TK_OP_POPN) {
                n = tk_sym_varint(&r->p);
                n = n < TK_SYM_DEPTH ? n + 3 : TK_SYM_DEPTH;
            }

            /* n + 1 calls */

            if (n >= r->depth) {
                return -1;
            }

            r->slot[r->depth - 1].place = r->at;
            r->depth -= n + 1;
            r->at = r->slot[r->depth].from;
            continue;
        }

        if (op == TK_OP_END) {
            return 0;
        }

        r->kind = op == TK_OP_NONE ? TK_SYM_GAP : TK_SYM_BARE;
    }

    return -1;
}


/* To the entry of an address, which is not before the current one; 0 if there
 * is one. */

static inline int
tk_sym_unit_seek(tk_sym_unit_reader_t *r, uint64_t addr)
{
    if (r->open) {
        r->kind = TK_SYM_BARE;
        return 0;
    }

    while (r->next <= addr) {
        if (tk_sym_unit_next(r) != 1) {
            return -1;
        }
    }

    return 0;
}


#endif /* _TK_SYM_UNIT_H_INCLUDED_ */
