
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_DUMPS_H_INCLUDED_
#define _TK_DUMPS_H_INCLUDED_


#include "tk_text.h"


/*
 * The dumps of a crash, by name.  Names hold [A-Za-z0-9_] only, 1 to 30
 * bytes: they become parts of object keys and of file names.
 */

#define TK_DUMP_NAME    30
#define TK_DUMP_SHA256  64
#define TK_DUMPS        256


typedef struct {
    uint8_t        name[TK_DUMP_NAME];
    uint8_t        name_len;
    uint8_t        hashed;
    char           sha256[TK_DUMP_SHA256];  /* lower-case hex */
    uint64_t       size;
    uint32_t       copies;            /* renamed for having its name */
} tk_dump_t;


typedef struct {
    tk_dump_t     *elts;              /* in the order of the form */
    uint32_t      *sorted;            /* numbers of elts, by name */
    uint32_t       n;
    uint32_t       size;
    uint32_t       max;
} tk_dumps_t;


/*
 * dst gets what is left of a part's name, at most TK_DUMP_NAME bytes, and
 * may be the name.  Returns the length, 0 for "../".
 */
size_t tk_dump_name(uint8_t *dst, const tk_str_t *name);

/* raw_crash, dump_names, processed_crash: objects of another kind */
int tk_dump_name_reserved(const uint8_t *name, size_t len);


/* Nothing is allocated before the first dump.  max 0: TK_DUMPS. */
void tk_dumps_init(tk_dumps_t *dumps, uint32_t max);
void tk_dumps_free(tk_dumps_t *dumps);

/*
 * The next dump, under a sanitized name of its own: what would be empty is
 * "unnamed", and a name that is taken gets "_1", "_2" ...; "dump" and
 * "upload_file_minidump" are one name, since their keys are.  note, of
 * TK_DUMPS_NOTE bytes, gets what was changed, or "".
 *
 * Returns its number, or -1 and *error: TK_MALFORMED_DUMP_NAME,
 * TK_MALFORMED_DUMPS, TK_MALFORMED_NO_MEMORY.
 */
#define TK_DUMPS_NOTE  128

int tk_dumps_add(tk_dumps_t *dumps, const tk_str_t *name, char *note,
    tk_malformed_e *error);

/* hash is of SHA-256, 32 bytes */
void tk_dumps_done(tk_dumps_t *dumps, int n, const uint8_t *hash,
    uint64_t size);

/* NULL if there is no such dump */
const tk_dump_t *tk_dumps_find(const tk_dumps_t *dumps, const tk_str_t *name);

/* json.dumps(sorted(names)): the object dump_names; 0 or what write said */
int tk_dumps_names(const tk_dumps_t *dumps, tk_text_write_pt write,
    void *data);


#endif /* _TK_DUMPS_H_INCLUDED_ */
