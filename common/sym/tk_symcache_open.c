
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_sym_hash.h"
#include "tk_symcache.h"
#include "tk_symcache_format.h"


static int tk_symcache_sections(const tk_symcache_header_t *h, size_t size);
static int tk_symcache_levels(tk_symcache_t *sc,
    const tk_symcache_header_t *h);
static int tk_symcache_text(tk_symcache_t *sc, tk_str_t *text,
    const tk_symcache_text_t *t);


int
tk_symcache_open(tk_symcache_t *sc, const void *map, size_t size,
    const char **reason)
{
    const uint8_t               *p;
    const tk_symcache_header_t  *h;

    p = map;
    h = map;

    if (size < TK_SYMCACHE_PAGE
        || memcmp(h->magic, TK_SYMCACHE_MAGIC, sizeof(h->magic)) != 0)
    {
        *reason = "not a symcache";
        return -1;
    }

    if (h->version != TK_SYMCACHE_VERSION) {
        *reason = "a symcache of another version";
        return -1;
    }

    if (h->size != size) {
        *reason = "not the whole symcache";
        return -1;
    }

    *reason = "damaged symcache";

    if (tk_sym_hash(h, offsetof(tk_symcache_header_t, checksum))
        != h->checksum
        || tk_symcache_sections(h, size) != 0)
    {
        return -1;
    }

    memset(sc, 0, sizeof(*sc));

    sc->map = p;
    sc->size = size;

    sc->functions = h->functions;
    sc->publics = h->publics;
    sc->lines = h->lines;
    sc->inlines = h->inlines;
    sc->dropped = h->dropped;
    sc->name_max = h->name_max;
    sc->strict = (h->flags & TK_SYMCACHE_STRICT) != 0;
    sc->units = h->units;
    sc->nfiles = h->files;

    sc->code = p + h->section[TK_SYMCACHE_CODE].offset;
    sc->code_size = (uint32_t) h->section[TK_SYMCACHE_CODE].size;
    sc->index = (const uint32_t *) (const void *)
                (p + h->section[TK_SYMCACHE_INDEX].offset);
    sc->files = (const uint32_t *) (const void *)
                (p + h->section[TK_SYMCACHE_FILES].offset);
    sc->text = p + h->section[TK_SYMCACHE_TEXT].offset;
    sc->text_size = (uint32_t) h->section[TK_SYMCACHE_TEXT].size;
    sc->words = p + h->section[TK_SYMCACHE_WORDS].offset;
    sc->nwords = (uint32_t) h->section[TK_SYMCACHE_WORDS].size;

    if (h->section[TK_SYMCACHE_FILES].size
        != (uint64_t) h->files * sizeof(tk_symcache_text_t)
        || tk_symcache_levels(sc, h) != 0
        || tk_symcache_text(sc, &sc->module, &h->module) != 0
        || tk_symcache_text(sc, &sc->name, &h->name) != 0
        || tk_symcache_text(sc, &sc->os, &h->os) != 0
        || tk_symcache_text(sc, &sc->arch, &h->arch) != 0
        || tk_symcache_text(sc, &sc->debug_id, &h->debug_id) != 0)
    {
        return -1;
    }

    *reason = NULL;

    return 0;
}


static int
tk_symcache_sections(const tk_symcache_header_t *h, size_t size)
{
    unsigned                      i;
    const tk_symcache_section_t  *s;

    for (i = 0; i < TK_SYMCACHE_SECTIONS; i++) {
        s = &h->section[i];

        if (s->offset % TK_SYMCACHE_PAGE || s->offset > size
            || s->size > size - s->offset || s->size > UINT32_MAX)
        {
            return -1;
        }
    }

    return h->section[TK_SYMCACHE_CODE].size < TK_SYMCACHE_SLACK ? -1 : 0;
}


/* where the levels of the index are, in numbers of 32 bits */

static int
tk_symcache_levels(tk_symcache_t *sc, const tk_symcache_header_t *h)
{
    uint64_t  n, nodes[TK_SYMCACHE_LEVELS], offset, top;
    unsigned  l;

    if (sc->units > UINT32_MAX - 2 * TK_SYMCACHE_NODE) {
        return -1;
    }

    l = 0;
    n = sc->units;

    do {
        n = (n + TK_SYMCACHE_NODE - 1) / TK_SYMCACHE_NODE;
        nodes[l++] = n;
    } while (n > 1);

    sc->levels = l;
    offset = 0;
    top = 0;

    while (l--) {
        if (l == 1) {
            top = offset;
        }

        sc->level[l] = (uint32_t) offset;
        offset += nodes[l] * TK_SYMCACHE_NODE * (l ? 1 : 2);

        if (offset > UINT32_MAX / sizeof(uint32_t)) {
            return -1;
        }
    }

    offset *= sizeof(uint32_t);
    top *= sizeof(uint32_t);

    return h->section[TK_SYMCACHE_INDEX].size != offset
           || tk_sym_hash(sc->index, top) != h->top_checksum ? -1 : 0;
}


static int
tk_symcache_text(tk_symcache_t *sc, tk_str_t *text,
    const tk_symcache_text_t *t)
{
    if (t->offset > sc->text_size || t->size > sc->text_size - t->offset) {
        return -1;
    }

    text->data = sc->text + t->offset;
    text->len = t->size;

    return 0;
}
