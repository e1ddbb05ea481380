
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tk_sym_code.h"
#include "tk_symcache.h"


static int tk_symcache_index(tk_symcache_build_t *b,
    tk_symcache_header_t *h);
static int tk_symcache_section(tk_symcache_build_t *b,
    tk_symcache_header_t *h, unsigned n, const void *p, size_t size);
static uint64_t tk_symcache_end(const tk_symcache_header_t *h, unsigned n);


int
tk_sym_write(tk_symcache_build_t *b, const void *data, size_t size,
    uint64_t offset)
{
    ssize_t         n;
    const uint8_t  *p;

    if (offset + size > b->conf.max_size) {
        return tk_sym_fail(b, TK_SYM_ELIMIT, "output is too large");
    }

    for (p = data; size; p += n, size -= (size_t) n, offset += (size_t) n) {
        n = pwrite(b->conf.fd, p, size, (off_t) offset);

        if (n < 0 && errno == EINTR) {
            n = 0;
            continue;
        }

        if (n <= 0) {
            b->error_errno = n < 0 ? errno : ENOSPC;
            return tk_sym_fail(b, TK_SYM_EOUTPUT, "pwrite() failed");
        }
    }

    return 0;
}


/* All of the file but most of the code, which is there; the header last. */

int
tk_symcache_write(tk_symcache_build_t *b)
{
    size_t                  nwords;
    uint8_t                 page[TK_SYMCACHE_PAGE];
    const uint8_t          *words;
    tk_symcache_header_t   *h;
    tk_symcache_section_t  *code;

    memset(page, 0, sizeof(page));
    h = (tk_symcache_header_t *) (void *) page;

    if (tk_sym_code_slack(b) != 0 || tk_sym_code_flush(b) != 0) {
        return -1;
    }

    code = &h->section[TK_SYMCACHE_CODE];
    code->offset = TK_SYMCACHE_PAGE;
    code->size = b->code.written;
    code->checksum = tk_sym_hash_final(&b->code_hash);

    words = tk_sym_pack_words(b->names.pack, &nwords);

    if (tk_symcache_index(b, h) != 0
        || tk_symcache_section(b, h, TK_SYMCACHE_FILES, b->paths.data,
                               b->paths.n * sizeof(tk_symcache_text_t))
           != 0
        || tk_symcache_section(b, h, TK_SYMCACHE_TEXT, b->text.data,
                               b->text.n)
           != 0
        || tk_symcache_section(b, h, TK_SYMCACHE_WORDS, words,
                               nwords)
           != 0)
    {
        return -1;
    }

    memcpy(h->magic, TK_SYMCACHE_MAGIC, sizeof(h->magic));

    h->version = TK_SYMCACHE_VERSION;
    h->flags = b->conf.strict ? TK_SYMCACHE_STRICT : 0;
    h->size = tk_symcache_end(h, TK_SYMCACHE_SECTIONS);

    h->functions = b->stat.functions;
    h->publics = b->stat.publics;
    h->lines = b->stat.lines;
    h->inlines = b->stat.inlines;
    h->dropped = b->stat.dropped;

    h->units = (uint32_t) b->units.n;
    h->files = (uint32_t) b->paths.n;
    h->name_max = b->names.max;

    h->module = b->module;
    h->name = b->module_name;
    h->os = b->os;
    h->arch = b->arch;
    h->debug_id = b->debug_id;

    h->checksum = tk_sym_hash(h, offsetof(tk_symcache_header_t, checksum));

    b->stat.size = h->size;

    /* up to a whole page */

    if (ftruncate(b->conf.fd, (off_t) h->size) != 0) {
        b->error_errno = errno;
        return tk_sym_fail(b, TK_SYM_EOUTPUT, "ftruncate() failed");
    }

    return tk_sym_write(b, page, sizeof(page), 0);
}


/* the units' addresses as a tree of nodes */

static int
tk_symcache_index(tk_symcache_build_t *b, tk_symcache_header_t *h)
{
    int              rc;
    size_t           i, k, n, level[TK_SYMCACHE_LEVELS], size, offset;
    uint32_t        *index, *p;
    unsigned         levels, l;
    tk_sym_unit_t   *unit;

    n = b->units.n;
    levels = 0;

    do {
        n = (n + TK_SYMCACHE_NODE - 1) / TK_SYMCACHE_NODE;
        level[levels++] = n;
    } while (n > 1);

    size = level[0] * TK_SYMCACHE_NODE * sizeof(uint32_t);

    for (l = 0; l < levels; l++) {
        size += level[l] * TK_SYMCACHE_NODE * sizeof(uint32_t);
    }

    if (size == 0) {
        h->top_checksum = tk_sym_hash(NULL, 0);
        return tk_symcache_section(b, h, TK_SYMCACHE_INDEX, NULL, 0);
    }

    index = tk_sym_alloc(b, NULL, 0, size);
    if (index == NULL) {
        return -1;
    }

    memset(index, 0xff, size);

    /* the lowest level is the last */

    offset = size / sizeof(uint32_t) - level[0] * 2 * TK_SYMCACHE_NODE;
    unit = b->units.data;

    for (i = 0; i < b->units.n; i++) {
        p = index + offset + i / TK_SYMCACHE_NODE * 2 * TK_SYMCACHE_NODE
            + i % TK_SYMCACHE_NODE;
        p[0] = unit[i].start;
        p[TK_SYMCACHE_NODE] = unit[i].code;
    }

    k = TK_SYMCACHE_NODE;

    for (l = 1; l < levels; l++) {
        offset -= level[l] * TK_SYMCACHE_NODE;

        for (i = 0; i < level[l - 1]; i++) {
            index[offset + i] = unit[i * k].start;
        }

        k *= TK_SYMCACHE_NODE;
    }

    for (n = 0, l = 2; l < levels; l++) {
        n += level[l] * TK_SYMCACHE_NODE * sizeof(uint32_t);
    }

    h->top_checksum = tk_sym_hash(index, n);

    rc = tk_symcache_section(b, h, TK_SYMCACHE_INDEX, index, size);

    tk_sym_release(b, index, size);

    return rc;
}


/* A section behind the one before. */

static int
tk_symcache_section(tk_symcache_build_t *b, tk_symcache_header_t *h,
    unsigned n, const void *p, size_t size)
{
    h->section[n].offset = tk_symcache_end(h, n);
    h->section[n].size = size;
    h->section[n].checksum = tk_sym_hash(p, size);

    return tk_sym_write(b, p, size, h->section[n].offset);
}


/* where section n may start */

static uint64_t
tk_symcache_end(const tk_symcache_header_t *h, unsigned n)
{
    uint64_t  end;

    end = h->section[n - 1].offset + h->section[n - 1].size;

    return (end + TK_SYMCACHE_PAGE - 1) & ~(uint64_t) (TK_SYMCACHE_PAGE - 1);
}
