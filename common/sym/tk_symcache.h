
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYMCACHE_H_INCLUDED_
#define _TK_SYMCACHE_H_INCLUDED_


/*
 * Reading a symcache, the compact form of a Breakpad .sym file: address ->
 * frames.  The file is described in docs/symcache-format.md.
 *
 * Nothing here allocates, writes to a shared place or keeps anything but the
 * pointers in tk_symcache_t, so one opened symcache may be used by several
 * threads.  Whatever the bytes of the map are, nothing outside of it is read:
 * a damaged file gives no frames or wrong ones.
 */


#include "tk_wire.h"


/* a file of any other version has to be built anew */

#define TK_SYMCACHE_VERSION  1


/* 256 inlined calls within each other, and the function around them: that
 * many frames are the most for one address */

#define TK_SYMCACHE_FRAMES   257

/* that many lookups wait for memory together */

#define TK_SYMCACHE_MANY     32


/* debug ids in the form "0123456789abcdef0123456789abcdef-a" have 45 bytes
 * at most */

#define TK_SYMCACHE_ID_LEN   45


typedef struct {
    uint32_t         function;      /* a handle for tk_symcache_function() */
    uint32_t         line;          /* 0: not known */
    uint32_t         entry;         /* address of the outermost function;
                                     * function_offset = offset - entry may
                                     * be negative */
    tk_str_t         file;          /* ready for JSON, ASCII, without the
                                     * quotes; len 0: not known; in the map */
} tk_symcache_frame_t;


typedef struct {
    tk_str_t         module;        /* what replaces the debug file in answers
                                     * (a PE file's name), ready for JSON;
                                     * len 0: nothing replaces it */
    tk_str_t         name;          /* the name in MODULE, ready for JSON */
    tk_str_t         os;
    tk_str_t         arch;
    tk_str_t         debug_id;      /* as in the file asked for: 32 hex digits
                                     * and the age, upper case */

    uint64_t         functions;     /* FUNC records that are found */
    uint64_t         publics;       /* PUBLIC records that are found */
    uint64_t         lines;         /* line records that were read */
    uint64_t         inlines;       /* INLINE records that were read */
    uint64_t         dropped;       /* malformed records that were left out */
    uint32_t         name_max;      /* bytes of the longest function name */
    unsigned         strict:1;      /* built with all-or-nothing rules */

    /* private from here */

    const uint8_t   *map;
    size_t           size;

    const uint32_t  *index;
    uint32_t         units;
    uint32_t         levels;
    uint32_t         level[8];

    const uint8_t   *code;
    uint32_t         code_size;

    const uint32_t  *files;
    uint32_t         nfiles;
    const uint8_t   *text;
    uint32_t         text_size;

    const uint8_t   *words;             /* what names are packed with */
    uint32_t         nwords;
} tk_symcache_t;


/*
 * Opens a symcache in memory that stays as it is while sc is used: a map of
 * the file (MAP_SHARED, PROT_READ) or a copy, aligned to 8 bytes.  Reads and
 * checks the header and the small parts, not the whole file.  Returns 0; or
 * -1 with the reason, a constant text, if this is no symcache of this
 * version, or not one of that size.
 */
int tk_symcache_open(tk_symcache_t *sc, const void *map, size_t size,
    const char **reason);

/*
 * Frames at an offset from the start of the module, innermost first; the last
 * one is the function itself, whose file and line are those of the call that
 * was inlined into it.  Returns how many, 0 if there is no symbol.  When there
 * are more than nframes, the innermost are left out.
 */
size_t tk_symcache_lookup(const tk_symcache_t *sc, uint64_t offset,
    tk_symcache_frame_t *frames, size_t nframes);

/*
 * The same for many offsets, in any order, several at a time: their waits for
 * memory overlap.  The frames of one offset follow those of the one before,
 * counts[i] says how many of them are of offsets[i].  Names and files are on
 * the way to the processor's caches then, so use them before many more are
 * looked up: TK_SYMCACHE_MANY at a time is a good number.  Returns how many
 * offsets were done: fewer than n only when there was no room for the next
 * one's frames, that is when fewer than TK_SYMCACHE_FRAMES were left.
 */
size_t tk_symcache_lookup_many(const tk_symcache_t *sc,
    const uint64_t *offsets, size_t n, tk_symcache_frame_t *frames,
    size_t nframes, uint32_t *counts);

/*
 * Writes the name of a frame's function, ready for JSON like all texts here,
 * if it has at most size bytes.  Returns its length, which is never more than
 * sc->name_max; dst may be NULL if size is 0.
 */
size_t tk_symcache_function(const tk_symcache_t *sc, uint32_t function,
    uint8_t *dst, size_t size);

/*
 * Reads the whole of an opened symcache: all checksums, and that everything
 * in it can be looked up.  Returns 0; or -1 with the reason, a constant text.
 */
int tk_symcache_verify(const tk_symcache_t *sc, const char **reason);


#endif /* _TK_SYMCACHE_H_INCLUDED_ */
