
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_FILE_KEY_H_INCLUDED_
#define _TK_FILE_KEY_H_INCLUDED_


#include "tk_wire.h"


/*
 * Keys of objects as names of files, one to one.  A key is cut at its
 * slashes; an ordinary component is its own name, so that a folder of symbol
 * files is a storage as it is.  Otherwise, and only then:
 *
 *   "%", bytes below 0x20 and 0x7f    %XX, upper-case hex
 *   "." of ".", ".." and ".tecken*"   its first byte is %2E
 *   an empty component                a single "%"
 *
 * so no key leaves the root, names a directory, or names one of the files
 * that the storage keeps for itself: these begin with ".tecken".  The file
 * system must tell upper from lower case.
 */

#define TK_FILE_NAME_MAX  255

/* what the storage keeps beside an object called NAME, all of one length */

#define TK_FILE_META      ".tecken."     /* NAME: its metadata */
#define TK_FILE_PENDING   ".tecken+"     /* NAME: the metadata of the next */
#define TK_FILE_TEMP      ".tecken~"     /* a number: being written */
#define TK_FILE_META_LEN  (sizeof(TK_FILE_META) - 1)

/* a longer name can have no metadata beside it */
#define TK_FILE_OBJECT_MAX  (TK_FILE_NAME_MAX - TK_FILE_META_LEN)

/* the most bytes that len bytes of a key become */
#define tk_file_key_max(len)  (3 * (len) + 1)


/*
 * The path of a key, relative, without a NUL.  dst may be NULL: nothing is
 * written.  Returns its length, or 0 if a component is too long for a name.
 * No bytes at all are one empty component.
 */
size_t tk_file_key_encode(uint8_t *dst, const uint8_t *key, size_t len);

/*
 * The component of a key that a file or directory of this name stands for.
 * dst has room for len bytes.  Returns its length, or -1 if there is none:
 * one of our own files, or a name that tk_file_key_encode() does not make.
 */
ssize_t tk_file_name_decode(uint8_t *dst, const uint8_t *name, size_t len);


#endif /* _TK_FILE_KEY_H_INCLUDED_ */
