
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym_hash.h"
#include "tk_sym_index.h"
#include "tk_sym_pack.h"
#include "tk_sym_unit.h"
#include "tk_symcache.h"
#include "tk_symcache_format.h"


static int tk_symcache_verify_index(const tk_symcache_t *sc);
static int tk_symcache_verify_unit(const tk_symcache_t *sc,
    tk_sym_unit_reader_t *r);
static int tk_symcache_verify_name(const tk_symcache_t *sc, uint32_t name);


int
tk_symcache_verify(const tk_symcache_t *sc, const char **reason)
{
    unsigned                      i;
    uint32_t                      file;
    const tk_symcache_header_t   *h;
    const tk_symcache_section_t  *s;

    static const char *const  damaged[TK_SYMCACHE_SECTIONS] = {
        "damaged section: code", "damaged section: index",
        "damaged section: files", "damaged section: text",
        "damaged section: words"
    };

    h = (const void *) sc->map;

    for (i = 0; i < TK_SYMCACHE_SECTIONS; i++) {
        s = &h->section[i];

        if (tk_sym_hash(sc->map + s->offset, s->size) != s->checksum) {
            *reason = damaged[i];
            return -1;
        }
    }

    for (file = 0; file < sc->nfiles; file++) {
        if (sc->files[2 * (size_t) file] > sc->text_size
            || sc->files[2 * (size_t) file + 1]
               > sc->text_size - sc->files[2 * (size_t) file])
        {
            *reason = "path outside of its section";
            return -1;
        }
    }

    if (tk_symcache_verify_index(sc) != 0) {
        *reason = "code that cannot be read";
        return -1;
    }

    *reason = NULL;

    return 0;
}


static int
tk_symcache_verify_index(const tk_symcache_t *sc)
{
    uint32_t              i, start, last, found;
    const uint32_t       *node;
    tk_sym_unit_reader_t  r;

    last = 0;
    found = 0;

    for (i = 0; i < sc->units; i++) {
        node = sc->index + sc->level[0]
               + (size_t) i / TK_SYMCACHE_NODE * 2 * TK_SYMCACHE_NODE
               + i % TK_SYMCACHE_NODE;
        start = node[0];

        if ((i && start <= last)
            || tk_sym_index_find(sc->index, sc->level, sc->levels, sc->units,
                                start, &found)
               != node || found != i
            || tk_sym_unit_open(&r, sc->code, sc->code_size,
                                node[TK_SYMCACHE_NODE], start)
               != 0
            || tk_symcache_verify_unit(sc, &r) != 0)
        {
            return -1;
        }

        last = start;
    }

    return 0;
}


static int
tk_symcache_verify_unit(const tk_symcache_t *sc, tk_sym_unit_reader_t *r)
{
    int       rc;
    uint32_t  i, known, origin[TK_SYM_DEPTH];

    if (tk_symcache_verify_name(sc, r->name) != 0) {
        return -1;
    }

    /* a public symbol has no entries */

    if (r->open) {
        return 0;
    }

    known = 0;

    while ((rc = tk_sym_unit_next(r)) == 1) {

        if (r->next <= r->start) {
            return -1;
        }

        if (r->place[r->at].file > sc->nfiles) {
            return -1;
        }

        for (i = 0; i < r->depth; i++) {

            if (r->slot[i].file > sc->nfiles) {
                return -1;
            }

            /* calls stay for many entries */

            if (i < known && origin[i] == r->slot[i].origin) {
                continue;
            }

            if (tk_symcache_verify_name(sc, r->slot[i].origin) != 0) {
                return -1;
            }

            origin[i] = r->slot[i].origin;
            known = i + 1;
        }
    }

    return rc;
}


static int
tk_symcache_verify_name(const tk_symcache_t *sc, uint32_t name)
{
    size_t          len;
    uint64_t        offset;
    const uint8_t  *p, *last;

    offset = (uint64_t) name * 4;

    if (offset >= sc->code_size - TK_SYMCACHE_SLACK) {
        return -1;
    }

    p = sc->code + offset;
    last = sc->code + sc->code_size - TK_SYMCACHE_SLACK;

    len = tk_sym_varint(&p);

    return len > sc->name_max
           ? -1 : tk_sym_unpack_check(len, p, last, sc->nwords);
}
