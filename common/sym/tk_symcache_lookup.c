
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym_index.h"
#include "tk_sym_pack.h"
#include "tk_sym_unit.h"
#include "tk_symcache.h"


#define TK_SYMCACHE_LINE  64            /* of a processor's cache */


static void tk_symcache_find_many(const tk_symcache_t *sc,
    const uint64_t *offsets, size_t n, const uint32_t **key);
static size_t tk_symcache_decode(const tk_symcache_t *sc, const uint32_t *key,
    uint64_t offset, tk_symcache_frame_t *frames, size_t nframes);
static inline void tk_symcache_prefetch(const uint8_t *start, size_t size,
    size_t offset, size_t n);
static inline void tk_symcache_frame(const tk_sym_unit_reader_t *r,
    tk_symcache_frame_t *frame, uint32_t function, uint32_t file,
    uint32_t line);
static inline void tk_symcache_file(const tk_symcache_t *sc,
    tk_symcache_frame_t *frame);


size_t
tk_symcache_lookup(const tk_symcache_t *sc, uint64_t offset,
    tk_symcache_frame_t *frames, size_t nframes)
{
    size_t           i, n;
    uint32_t         unit;
    const uint32_t  *key;

    key = offset > UINT32_MAX
          ? NULL : tk_sym_index_find(sc->index, sc->level, sc->levels,
                                     sc->units, (uint32_t) offset, &unit);

    n = tk_symcache_decode(sc, key, offset, frames, nframes);

    for (i = 0; i < n; i++) {
        tk_symcache_file(sc, &frames[i]);
    }

    return n;
}


/*
 * Each step waits for memory, the next one needs what it brings: of a group,
 * all take a step before one takes the next.
 */

size_t
tk_symcache_lookup_many(const tk_symcache_t *sc, const uint64_t *offsets,
    size_t n, tk_symcache_frame_t *frames, size_t nframes, uint32_t *counts)
{
    size_t                i, k, m, done;
    const uint32_t       *key[TK_SYMCACHE_MANY];
    tk_symcache_frame_t  *first, *frame;

    for (done = 0; done < n; done += i) {
        m = n - done < TK_SYMCACHE_MANY ? n - done : TK_SYMCACHE_MANY;

        tk_symcache_find_many(sc, offsets + done, m, key);

        first = frames;

        for (i = 0; i < m && nframes >= TK_SYMCACHE_FRAMES; i++) {
            k = tk_symcache_decode(sc, key[i], offsets[done + i], frames,
                                   nframes);
            counts[done + i] = (uint32_t) k;
            nframes -= k;
            frames += k;
        }

        for (frame = first; frame < frames; frame++) {
            tk_symcache_prefetch((const uint8_t *) sc->files,
                                 (size_t) sc->nfiles * 8,
                                 frame->file.len * 8 - 8, 1);
            tk_symcache_prefetch(sc->code, sc->code_size,
                                 (size_t) frame->function * 4, 2);
        }

        for (frame = first; frame < frames; frame++) {
            tk_symcache_file(sc, frame);
            tk_symcache_prefetch(frame->file.data, frame->file.len, 0, 2);
        }

        if (i < m) {
            return done + i;
        }
    }

    return n;
}


/* The keys of a group, and their units on the way to the caches. */

static void
tk_symcache_find_many(const tk_symcache_t *sc, const uint64_t *offsets,
    size_t n, const uint32_t **key)
{
    size_t    i;
    uint32_t  l, unit[TK_SYMCACHE_MANY];

    if (sc->units == 0) {
        memset(key, 0, n * sizeof(*key));
        return;
    }

    for (i = 0; i < n; i++) {
        key[i] = offsets[i] > UINT32_MAX ? NULL : sc->index;
        unit[i] = 0;
    }

    for (l = sc->levels; l--; /* void */ ) {
        for (i = 0; i < n; i++) {
            if (key[i]) {
                key[i] = tk_sym_index_step(sc->index, sc->level, sc->units, l,
                                           (uint32_t) offsets[i], &unit[i]);
            }

            if (key[i] && l) {
                tk_sym_index_prefetch(sc->index, sc->level, l - 1, unit[i]);
            }
        }
    }

    for (i = 0; i < n; i++) {
        if (key[i]) {
            tk_symcache_prefetch(sc->code, sc->code_size,
                                 key[i][TK_SYMCACHE_NODE], 2);
        }
    }
}


/* some lines from an offset on, those that are there */

static inline void
tk_symcache_prefetch(const uint8_t *start, size_t size, size_t offset,
    size_t n)
{
    for ( /* void */ ; n && offset < size; n--) {
        __builtin_prefetch(start + offset);
        offset += TK_SYMCACHE_LINE;
    }
}


/* The frames, still with the numbers of files. */

static size_t
tk_symcache_decode(const tk_symcache_t *sc, const uint32_t *key,
    uint64_t offset, tk_symcache_frame_t *frames, size_t nframes)
{
    size_t                i, n;
    const tk_sym_slot_t  *slot;
    tk_sym_unit_reader_t  r;

    if (key == NULL
        || tk_sym_unit_open(&r, sc->code, sc->code_size,
                            key[TK_SYMCACHE_NODE], key[0])
           != 0
        || tk_sym_unit_seek(&r, offset) != 0
        || r.kind == TK_SYM_GAP || nframes == 0)
    {
        return 0;
    }

    if (r.kind == TK_SYM_BARE) {
        tk_symcache_frame(&r, frames, r.name, 0, 0);
        return 1;
    }

    i = r.depth;

    if (i < nframes) {
        tk_symcache_frame(&r, frames++, i ? r.slot[i - 1].origin : r.name,
                          r.place[r.at].file, r.place[r.at].line);
        n = i + 1;

    } else {
        i = nframes;
        n = nframes;
    }

    while (i--) {
        slot = &r.slot[i];
        tk_symcache_frame(&r, frames++, i ? slot[-1].origin : r.name,
                          slot->file, slot->line);
    }

    return n;
}


static inline void
tk_symcache_frame(const tk_sym_unit_reader_t *r, tk_symcache_frame_t *frame,
    uint32_t function, uint32_t file, uint32_t line)
{
    frame->function = function;
    frame->entry = r->entry;
    frame->line = line;
    frame->file.len = file;
    frame->file.data = NULL;
}


/* The file of a number. */

static inline void
tk_symcache_file(const tk_symcache_t *sc, tk_symcache_frame_t *frame)
{
    size_t           n;
    const uint32_t  *text;

    n = frame->file.len - 1;
    frame->file.len = 0;

    if (n < sc->nfiles) {
        text = &sc->files[2 * n];

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
    int             rc;
    size_t          len;
    uint64_t        offset;
    const uint8_t  *p, *last;

    offset = (uint64_t) function * 4;

    if (offset >= sc->code_size - TK_SYMCACHE_SLACK) {
        return 0;
    }

    p = sc->code + offset;
    last = sc->code + sc->code_size - TK_SYMCACHE_SLACK;

    len = tk_sym_varint(&p);

    if (len > sc->name_max) {
        return 0;
    }

    if (len == 0 || len > size) {
        return len;
    }

    rc = size - len < TK_SYM_PACK_SLACK
         ? tk_sym_unpack(dst, len, p, last, sc->words, sc->nwords)
         : tk_sym_unpack_fast(dst, len, p, last, sc->words, sc->nwords);

    return rc == 0 ? len : 0;
}
