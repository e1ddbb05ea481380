
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SPOOL_H_INCLUDED_
#define _TK_SPOOL_H_INCLUDED_


#include "tk_crash_id.h"


/*
 * A record of a spool: one crash, every byte of it under a checksum, to be
 * read from its end.  docs/spool.md describes it for those who rescue one.
 *
 *   head       "antenna-spool 1\n"
 *   objects    their bytes, one after the other
 *   index      one line of JSON, which names them
 *   end        one line of TK_SPOOL_END bytes: where the record and the index
 *              begin, the checksum of the index
 *
 * A file has one record or several, without anything between.
 */

#define TK_SPOOL_HEAD     16
#define TK_SPOOL_END      128
#define TK_SPOOL_SHA256   32
#define TK_SPOOL_NAME     30          /* as TK_DUMP_NAME */
#define TK_SPOOL_OBJECTS  2002
#define TK_SPOOL_INDEX    (512 * 1024)    /* no index is longer */
#define TK_SPOOL_PIECE    512         /* nor an object's piece of it */


typedef enum {
    TK_SPOOL_DUMP_NAMES = 0,
    TK_SPOOL_DUMP,
    TK_SPOOL_RAW_CRASH
} tk_spool_kind_e;


typedef struct {
    tk_spool_kind_e     kind;
    uint8_t             name_len;     /* of a dump, else 0 */
    uint8_t             name[TK_SPOOL_NAME];
    uint8_t             sha256[TK_SPOOL_SHA256];
    uint64_t            offset;       /* in the record */
    uint64_t            length;
} tk_spool_object_t;


typedef struct {
    uint8_t             crash_id[TK_CRASH_ID];
    uint64_t            received;     /* seconds of the epoch */
    unsigned            chosen:1;     /* the crash id, by the client */

    tk_spool_object_t  *objects;      /* in the order they are to be stored:
                                         dump names, dumps, raw crash */
    uint32_t            n;
} tk_spool_record_t;


typedef struct {
    uint64_t            length;       /* of the record, this line too */
    uint64_t            index;        /* where it is in the record */
    uint32_t            index_length;
    uint8_t             sha256[TK_SPOOL_SHA256];    /* of the index */
} tk_spool_end_t;


extern const uint8_t  tk_spool_head[TK_SPOOL_HEAD];


/*
 * Writes the index; dst may be NULL, or has TK_SPOOL_PIECE bytes for each
 * object and one more.  Returns its length, at most TK_SPOOL_INDEX for
 * TK_SPOOL_OBJECTS.
 */
size_t tk_spool_index(uint8_t *dst, const tk_spool_record_t *rec);

/* dst gets TK_SPOOL_END bytes: the end of a record whose index is at offset */
void tk_spool_end(uint8_t *dst, uint64_t offset, const uint8_t *index,
    size_t len);

/*
 * Reads the end line; avail is how many bytes the file has before its end, so
 * that nothing can point before the file.  Returns 0 or -1.
 */
int tk_spool_parse_end(tk_spool_end_t *end, const uint8_t *line,
    uint64_t avail);

/*
 * Reads an index: its checksum, the crash id, that the objects are all there,
 * lie in the record one after the other, and have names that may be keys.
 * rec->objects has room for max of them.  Returns 0, or -1 and *reason, for a
 * log.
 */
int tk_spool_parse_index(tk_spool_record_t *rec, uint32_t max,
    const tk_spool_end_t *end, const uint8_t *index, const char **reason);


#endif /* _TK_SPOOL_H_INCLUDED_ */
