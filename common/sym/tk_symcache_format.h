
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYMCACHE_FORMAT_H_INCLUDED_
#define _TK_SYMCACHE_FORMAT_H_INCLUDED_


/*
 * The symcache file; docs/symcache-format.md says what it means.  All numbers
 * are little-endian, all sections start at a page.
 */


#include <stdint.h>


#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "symcaches are read in place, by little-endian processors only"
#endif


#define TK_SYMCACHE_MAGIC      "tkSYMC\r\n"
#define TK_SYMCACHE_PAGE       4096


enum {
    TK_SYMCACHE_CODE = 0,           /* names, and units: entries of one
                                     * function each */
    TK_SYMCACHE_INDEX,              /* addresses of units, 16 to a node */
    TK_SYMCACHE_FILES,              /* offsets of paths in TEXT */
    TK_SYMCACHE_TEXT,               /* paths, and the texts of the header */
    TK_SYMCACHE_WORDS,              /* what references in names are to */
    TK_SYMCACHE_SECTIONS
};


typedef struct {
    uint64_t             offset;    /* of the file, a multiple of a page */
    uint64_t             size;
    uint64_t             checksum;  /* XXH64 */
} tk_symcache_section_t;


typedef struct {
    uint32_t             offset;    /* in TEXT */
    uint32_t             size;
} tk_symcache_text_t;


typedef struct {
    uint8_t              magic[8];
    uint32_t             version;
    uint32_t             flags;     /* TK_SYMCACHE_STRICT */
    uint64_t             size;      /* of the file */

    uint64_t             functions;
    uint64_t             publics;
    uint64_t             lines;
    uint64_t             inlines;
    uint64_t             dropped;

    uint32_t             units;
    uint32_t             files;
    uint32_t             reserved;
    uint32_t             name_max;

    tk_symcache_text_t   module;
    tk_symcache_text_t   name;
    tk_symcache_text_t   os;
    tk_symcache_text_t   arch;
    tk_symcache_text_t   debug_id;

    uint64_t             top_checksum;  /* of the index above its lowest two
                                         * levels */

    tk_symcache_section_t  section[TK_SYMCACHE_SECTIONS];

    uint64_t             checksum;  /* XXH64 of what is before */
} tk_symcache_header_t;


#define TK_SYMCACHE_STRICT     0x1


/* The index: keys, nodes of 16; the lowest level has nodes of 16 keys and 16
 * offsets in CODE.  Levels are stored from the highest on. */

#define TK_SYMCACHE_NODE       16
#define TK_SYMCACHE_LEVELS     8


/* The last bytes of CODE are zeros, so that a reader needs to look for the end
 * once for each instruction. */

#define TK_SYMCACHE_SLACK      32


/* Names start at a multiple of 4 in CODE, the fourth part of which is their
 * handle: the length, then what tk_sym_pack.h says. */

/* a unit: a header byte, the name's handle, [address - address of the
 * function], instructions */

#define TK_UNIT_NAME_BYTES     0x03     /* of the name's handle, less 1 */
#define TK_UNIT_INSIDE         0x04     /* not at the function's address */
#define TK_UNIT_OPEN           0x08     /* no instructions: up to the next
                                         * unit, without file and line */

#define TK_UNIT_NEAR           0x10     /* the handle is counted back from
                                         * the unit */

#define TK_UNIT_ENTRIES        16       /* at most: a lookup reads half */
#define TK_UNIT_FULL           2048     /* bytes; no entry starts after that */
#define TK_UNIT_SIZE           16384    /* bytes at most */


/* instructions; those from TK_OP_LONG on end an entry */

enum {
    TK_OP_END = 0,
    TK_OP_NONE,                     /* the entry has no symbol */
    TK_OP_BARE,                     /* the entry has no file and line */
    TK_OP_FILE,                     /* file, into the next place */
    TK_OP_POP,                      /* out of one call */
    TK_OP_POP2,
    TK_OP_POP3,
    TK_OP_POPN,                     /* number, out of 4 + number calls */
    TK_OP_AGAIN,                    /* into the call that was there before */
    TK_OP_CALL3,                    /* handle of 3 bytes, line */
    TK_OP_CALL4,                    /* handle of 4 bytes, line */
    TK_OP_PLACE = 0x10,             /* to one of 16 places */
    TK_OP_LONG = 0x20,              /* size, line */
    TK_OP_LINE,                     /* line; sizes 1 .. 23 */
    TK_OP_ENTRY = 0x38              /* size and line in one byte */
};


#define TK_UNIT_PLACES         16       /* files, each with its last line */

#define TK_LINE_SIZES          23

/* sizes 1 .. 25, lines -1 .. 6 */

#define TK_ENTRY_LINES         8
#define TK_ENTRY_LINE_MIN      (-1)
#define TK_ENTRY_SIZES         25


#endif /* _TK_SYMCACHE_FORMAT_H_INCLUDED_ */
