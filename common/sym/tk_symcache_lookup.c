
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym_index.h"
#include "tk_sym_pack.h"
#include "tk_sym_unit.h"
#include "tk_symcache.h"


static inline void tk_symcache_frame(const tk_symcache_t *sc,
    const tk_sym_unit_reader_t *r, tk_symcache_frame_t *frame,
    uint32_t function, uint32_t file, uint32_t line);
static size_t tk_symcache_frames(const tk_symcache_t *sc,
    const tk_sym_unit_reader_t *r, tk_symcache_frame_t *frames,
    size_t nframes);


/* The last unit that starts at an address or before. */

static inline const uint32_t *
tk_symcache_find(const tk_symcache_t *sc, uint64_t offset)
{
    uint32_t  i;

    return offset > UINT32_MAX
           ? NULL : tk_sym_index_find(sc->index, sc->level, sc->levels,
                                      sc->units, (uint32_t) offset, &i);
}


size_t
tk_symcache_lookup(const tk_symcache_t *sc, uint64_t offset,
    tk_symcache_frame_t *frames, size_t nframes)
{
    const uint32_t       *key;
    tk_sym_unit_reader_t  r;

    key = tk_symcache_find(sc, offset);

    if (key == NULL
        || tk_sym_unit_open(&r, sc->code, sc->code_size,
                            key[TK_SYMCACHE_NODE], key[0])
           != 0
        || tk_sym_unit_seek(&r, offset) != 0)
    {
        return 0;
    }

    return tk_symcache_frames(sc, &r, frames, nframes);
}


size_t
tk_symcache_lookup_sorted(const tk_symcache_t *sc, const uint64_t *offsets,
    size_t n, tk_symcache_frame_t *frames, size_t nframes, uint32_t *counts)
{
    int                   found;
    size_t                i, k;
    const uint32_t       *key, *open;
    tk_sym_unit_reader_t  r;

    open = NULL;
    found = 0;

    for (i = 0; i < n; i++) {

        key = tk_symcache_find(sc, offsets[i]);

        if (key == NULL) {
            counts[i] = 0;
            continue;
        }

        if (nframes < TK_SYMCACHE_FRAMES) {
            break;
        }

        if (key != open || !found || offsets[i] < r.start) {
            open = key;
            found = tk_sym_unit_open(&r, sc->code, sc->code_size,
                                     key[TK_SYMCACHE_NODE], key[0])
                    == 0;
        }

        found = found && tk_sym_unit_seek(&r, offsets[i]) == 0;

        k = found ? tk_symcache_frames(sc, &r, frames, nframes) : 0;

        counts[i] = (uint32_t) k;
        frames += k;
        nframes -= k;
    }

    return i;
}


static size_t
tk_symcache_frames(const tk_symcache_t *sc, const tk_sym_unit_reader_t *r,
    tk_symcache_frame_t *frames, size_t nframes)
{
    size_t                i, n;
    const tk_sym_slot_t  *slot;

    if (r->kind == TK_SYM_GAP || nframes == 0) {
        return 0;
    }

    if (r->kind == TK_SYM_BARE) {
        tk_symcache_frame(sc, r, frames, r->name, 0, 0);
        return 1;
    }

    i = r->depth;

    if (i < nframes) {
        tk_symcache_frame(sc, r, frames++, i ? r->slot[i - 1].origin : r->name,
                          r->place[r->at].file, r->place[r->at].line);
        n = i + 1;

    } else {
        i = nframes;
        n = nframes;
    }

    while (i--) {
        slot = &r->slot[i];
        tk_symcache_frame(sc, r, frames++, i ? slot[-1].origin : r->name,
                          slot->file, slot->line);
    }

    return n;
}


static inline void
tk_symcache_frame(const tk_symcache_t *sc, const tk_sym_unit_reader_t *r,
    tk_symcache_frame_t *frame, uint32_t function, uint32_t file,
    uint32_t line)
{
    const uint32_t  *text;

    frame->function = function;
    frame->entry = r->entry;
    frame->line = line;
    frame->file.len = 0;
    frame->file.data = NULL;

    if (file - 1 < sc->nfiles) {
        text = &sc->files[2 * ((size_t) file - 1)];

        if (text[0] <= sc->text_size && text[1] <= sc->text_size - text[0]) {
            frame->file.data = sc->text + text[0];
            frame->file.len = text[1];
        }
    }
}


size_t
tk_symcache_function(const tk_symcache_t *sc, uint32_t function,
    uint8_t *dst, size_t size)
{
    size_t          len;
    uint64_t        offset;
    const uint8_t  *p, *last;

    offset = (uint64_t) function * 4;

    if (offset >= sc->names_size - TK_SYMCACHE_SLACK) {
        return 0;
    }

    p = sc->names + offset;
    last = sc->names + sc->names_size - TK_SYMCACHE_SLACK;

    len = tk_sym_varint(&p);

    if (len > sc->name_max) {
        return 0;
    }

    if (len == 0 || len > size) {
        return len;
    }

    return tk_sym_unpack(dst, len, p, last, sc->words, sc->nwords) == 0 ? len
                                                                       : 0;
}
