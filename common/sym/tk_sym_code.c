
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym_code.h"


#define TK_SYM_BUFFER  (128 * 1024)

/* of one entry: a way out of and into all calls */

#define TK_SYM_ENTRY   (32 * (TK_SYM_DEPTH + 2))


static int tk_sym_code_head(tk_symcache_build_t *b, uint32_t start);
static int tk_sym_code_write(tk_symcache_build_t *b, const uint8_t *p,
    size_t size);
static void tk_sym_code_full(tk_sym_code_t *c);


static inline uint8_t *
tk_sym_put_handle(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));

    return p + (v < 1 << 24 ? 3 : 4);
}


/* Makes room for an entry. */

static int
tk_sym_code_room(tk_symcache_build_t *b)
{
    tk_sym_code_t  *c;

    c = &b->code;

    if (c->buf == NULL) {
        c->buf = tk_sym_alloc(b, NULL, 0, TK_SYM_BUFFER);

        if (c->buf == NULL) {
            return -1;
        }

        c->p = c->buf;
        c->limit = c->buf + TK_SYM_BUFFER - TK_SYM_ENTRY;
    }

    return c->p < c->limit ? 0 : tk_sym_code_flush(b);
}


int
tk_sym_code_flush(tk_symcache_build_t *b)
{
    size_t          size;
    tk_sym_code_t  *c;

    c = &b->code;
    size = (size_t) (c->p - c->buf);

    if (tk_sym_code_write(b, c->buf, size) != 0) {
        return -1;
    }

    c->p = c->buf;
    tk_sym_code_full(c);

    return 0;
}


static int
tk_sym_code_write(tk_symcache_build_t *b, const uint8_t *p, size_t size)
{
    tk_sym_code_t  *c;

    c = &b->code;

    if (size == 0) {
        return 0;
    }

    if (c->written + size > UINT32_MAX - TK_SYM_ENTRY) {
        return tk_sym_fail(b, TK_SYM_ELIMIT, "too many lines");
    }

    if (tk_sym_write(b, p, size, TK_SYMCACHE_PAGE + c->written) != 0) {
        return -1;
    }

    tk_sym_hash_update(&b->code_hash, p, size);
    c->written += size;

    return 0;
}


uint8_t *
tk_sym_code_begin(tk_symcache_build_t *b, size_t size, uint32_t *handle)
{
    tk_sym_code_t  *c;

    c = &b->code;

    if (tk_sym_code_room(b) != 0) {
        return NULL;
    }

    while ((c->written + (uint64_t) (c->p - c->buf)) % 4) {
        *c->p++ = TK_OP_END;
    }

    *handle = (uint32_t) ((c->written + (uint64_t) (c->p - c->buf)) / 4);

    if (size <= TK_SYM_ENTRY - 4) {
        return c->p;
    }

    b->scratch.n = 0;

    return tk_sym_vec_room(b, &b->scratch, size, 1) == 0 ? b->scratch.data
                                                         : NULL;
}


int
tk_sym_code_end(tk_symcache_build_t *b, const uint8_t *start,
    const uint8_t *end)
{
    tk_sym_code_t  *c;

    c = &b->code;

    if (start == c->p) {
        c->p += end - start;
        return 0;
    }

    return tk_sym_code_flush(b) != 0
           || tk_sym_code_write(b, start, (size_t) (end - start)) != 0
           ? -1 : 0;
}


/* where the unit is full, or the buffer */

static void
tk_sym_code_full(tk_sym_code_t *c)
{
    uint64_t  size;

    size = c->unit + TK_UNIT_FULL;
    size = size > c->written ? size - c->written : 0;

    c->full = size < (uint64_t) (c->limit - c->buf) ? c->buf + size
                                                    : c->limit;
}


/* A function, or a part of one, whose first entry is at start. */

int
tk_sym_code_open(tk_symcache_build_t *b, uint32_t start, uint32_t entry,
    uint32_t name)
{
    b->code.name = name;
    b->code.entry = entry;
    b->code.pending = 0;

    return tk_sym_code_head(b, start);
}


static int
tk_sym_code_head(tk_symcache_build_t *b, uint32_t start)
{
    int             near;
    uint8_t        *p;
    uint32_t        n, name;
    tk_sym_code_t  *c;
    tk_sym_unit_t  *unit;

    c = &b->code;

    if (tk_sym_code_room(b) != 0
        || tk_sym_vec_room(b, &b->units, 1, sizeof(*unit)) != 0)
    {
        return -1;
    }

    p = c->p;

    unit = tk_sym_at(tk_sym_unit_t, &b->units, b->units.n);
    unit->start = start;
    unit->code = (uint32_t) (c->written + (uint64_t) (p - c->buf));
    b->units.n++;

    /* a function's name is before it, most often just before */

    name = unit->code / 4 - c->name;
    near = name < c->name;
    name = near ? name : c->name;

    for (n = 1; n < 4 && name >> (8 * n); n++) { /* void */ }

    *p++ = (uint8_t) ((n - 1) | (start != c->entry ? TK_UNIT_INSIDE : 0)
                      | (near ? TK_UNIT_NEAR : 0));
    memcpy(p, &name, sizeof(name));
    p += n;

    if (start != c->entry) {
        p = tk_sym_put(p, start - c->entry);
    }

    c->unit = unit->code;
    c->p = p;
    c->n = 0;
    c->depth = 0;
    c->live = 0;
    c->at = 0;
    c->places = 1;
    c->used = 1;
    c->file[0] = 0;
    c->last[0] = 0;
    tk_sym_code_full(c);

    return 0;
}


/*
 * The entry from start on, within calls of which the first keep are those of
 * the entry before.  Starts ascend.
 */

int
tk_sym_code_entry(tk_symcache_build_t *b, uint64_t start, tk_sym_kind_t kind,
    uint32_t keep, uint32_t depth, const tk_sym_frame_t *frames,
    uint32_t file, uint32_t line)
{
    tk_sym_code_t  *c;

    c = &b->code;

    if (c->pending) {
        c->p = tk_sym_put_size(c->p, start - c->start, c->line);

        if (c->n == TK_UNIT_ENTRIES
            || c->written + (uint64_t) (c->p - c->buf) - c->unit
               > TK_UNIT_FULL)
        {
            *c->p++ = TK_OP_END;

            if (tk_sym_code_head(b, (uint32_t) start) != 0) {
                return -1;
            }
        }
    }

    if (c->p >= c->limit && tk_sym_code_flush(b) != 0) {
        return -1;
    }

    c->n++;
    c->pending = 1;
    c->start = start;
    c->line = 0;

    if (kind != TK_SYM_SET) {
        *c->p++ = kind == TK_SYM_BARE ? TK_OP_BARE : TK_OP_NONE;
        return 0;
    }

    if (keep != c->depth || keep != depth) {
        c->p = tk_sym_code_calls(c, c->p, keep, depth, frames);
    }

    if (c->file[c->at] != file) {
        c->p = tk_sym_put_place(c, c->p, file);
    }

    c->line = line - c->last[c->at];
    c->last[c->at] = line;

    return 0;
}


/* out of calls down to keep, into calls up to depth */

uint8_t *
tk_sym_code_calls(tk_sym_code_t *c, uint8_t *p, uint32_t keep, uint32_t depth,
    const tk_sym_frame_t *frames)
{
    uint32_t        n;
    tk_sym_slot_t  *slot;

    /* a new unit is in no call */

    if (keep > c->depth) {
        keep = c->depth;
    }

    n = c->depth - keep;

    if (n) {
        *p++ = (uint8_t) (TK_OP_POP + (n < 4 ? n : 4) - 1);

        if (n >= 4) {
            p = tk_sym_put(p, n - 4);
        }

        c->slot[c->depth - 1].place = c->at;
        c->at = c->slot[keep].from;
    }

    for ( /* void */ ; keep < depth; keep++) {
        slot = &c->slot[keep];

        if (keep < c->live && slot->origin == frames[keep].origin
            && slot->file == frames[keep].file
            && slot->line == frames[keep].line)
        {
            *p++ = TK_OP_AGAIN;
            c->at = slot->place;
            continue;
        }

        if (c->file[c->at] != frames[keep].file) {
            p = tk_sym_put_place(c, p, frames[keep].file);
        }

        *p++ = (uint8_t) (TK_OP_CALL3 + (frames[keep].origin >> 24 != 0));
        p = tk_sym_put_handle(p, frames[keep].origin);
        p = tk_sym_put(p, tk_sym_zigzag(frames[keep].line - c->last[c->at]));

        c->last[c->at] = frames[keep].line;

        slot->origin = frames[keep].origin;
        slot->file = frames[keep].file;
        slot->line = frames[keep].line;
        slot->from = c->at;
        slot->place = c->at;

        c->live = keep + 1;
    }

    c->depth = depth;

    return p;
}


/* The last entry goes up to end. */

void
tk_sym_code_close(tk_symcache_build_t *b, uint64_t end)
{
    tk_sym_code_t  *c;

    c = &b->code;
    c->p = tk_sym_put_size(c->p, end - c->start, c->line);
    *c->p++ = TK_OP_END;
}


int
tk_sym_code_public(tk_symcache_build_t *b, uint32_t addr, uint32_t name)
{
    uint8_t  *p;

    if (tk_sym_code_open(b, addr, addr, name) != 0) {
        return -1;
    }

    p = b->code.buf + (b->code.unit - b->code.written);
    *p |= TK_UNIT_OPEN;

    return 0;
}


/* what readers may look at behind the last unit */

int
tk_sym_code_slack(tk_symcache_build_t *b)
{
    if (tk_sym_code_room(b) != 0) {
        return -1;
    }

    memset(b->code.p, TK_OP_END, TK_SYMCACHE_SLACK);
    b->code.p += TK_SYMCACHE_SLACK;

    return 0;
}
