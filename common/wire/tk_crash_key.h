
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_CRASH_KEY_H_INCLUDED_
#define _TK_CRASH_KEY_H_INCLUDED_


#include "tk_spool.h"


/* Where the objects of a crash are stored. */

typedef enum {
    TK_CRASH_2018 = 0,                /* S3CrashStorage of 2018 */
    TK_CRASH_2022,                    /* of September 2022 and later, GCS too */
    TK_CRASH_TREE                     /* FSCrashStorage, all years */
} tk_crash_layout_e;


#define TK_CRASH_KEY  96


/*
 *         2018                           2022                 tree
 *
 *  names  v1/dump_names/ID               the same             DATE/dump_names/
 *                                                             ID.json
 *  dump   v1/NAME/ID, "dump" for         the same             DATE/NAME/ID
 *         upload_file_minidump
 *  crash  v2/raw_crash/ID[:3]/DATE/ID    v1/raw_crash/DATE/ID DATE/raw_crash/
 *                                                             ID.json
 *
 * dst has room for TK_CRASH_KEY bytes; returns the length.
 */
size_t tk_crash_key(uint8_t *dst, tk_crash_layout_e layout,
    const uint8_t *crash_id, const tk_spool_object_t *object);


#endif /* _TK_CRASH_KEY_H_INCLUDED_ */
