
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_FILE_META_H_INCLUDED_
#define _TK_FILE_META_H_INCLUDED_


#include "tk_wire.h"


/*
 * What a storage in files knows of an object beside its bytes, as text:
 *
 *   tecken-object: 1
 *   size: 24853
 *   mtime: 1700000000.000004501
 *   inode: 1316870
 *   content-type: text/plain
 *   content-encoding: gzip
 *   original-size: 82944
 *   original-md5: 0cc175b9c0f1b6a831c399e269772661
 *   end
 *
 * The first line and the last are always there, so what was cut short is
 * seen; the others are optional, each at most once, names that are not known
 * are skipped.  Size, time and inode are those of the object's file.
 */

#define TK_FILE_META_MAX    4096    /* the whole text */
#define TK_FILE_META_VALUE  1024    /* a value */


typedef struct {
    int64_t   size;              /* -1 unknown, the same below */
    int64_t   sec;               /* of the modification */
    int64_t   nsec;
    int64_t   inode;
    int64_t   original_size;
    tk_str_t  content_type;      /* no control bytes but tabs; empty unknown */
    tk_str_t  content_encoding;
    tk_str_t  original_md5;
} tk_file_meta_t;


/* returns 1, strings then point into text; or 0 if it is not such a text */
int tk_file_meta_parse(tk_file_meta_t *meta, const uint8_t *text, size_t len);

/*
 * dst has room for TK_FILE_META_MAX bytes.  Returns the length, or 0 if a
 * value is too long or has a control byte in it.
 */
size_t tk_file_meta_write(uint8_t *dst, const tk_file_meta_t *meta);

/*
 * How surely meta describes a file of this size, time and inode:
 *
 *   3  all three are equal: this very file
 *   2  size and time are: a copy that kept the time
 *   1  the size is or was not noted: a copy that did not
 *   0  it is of another file
 */
int tk_file_meta_match(const tk_file_meta_t *meta, int64_t size, int64_t sec,
    int64_t nsec, int64_t inode);


#endif /* _TK_FILE_META_H_INCLUDED_ */
