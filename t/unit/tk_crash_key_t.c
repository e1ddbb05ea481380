
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_crash_key.h"
#include "tk_tap.h"


#define ID  "de1bb258-cbbf-4589-a673-34f800160918"


int
main(void)
{
    size_t             i, len;
    uint8_t           *dst;
    tk_spool_object_t  obj;

    /* antenna/ext/s3/crashstorage.py of 2018 and 2022, ext/fs */

    static const struct {
        tk_crash_layout_e  layout;
        tk_spool_kind_e    kind;
        const char        *name;
        const char        *key;
    } cases[] = {
        { TK_CRASH_2018, TK_SPOOL_DUMP_NAMES, "", "v1/dump_names/" ID },
        { TK_CRASH_2018, TK_SPOOL_DUMP, "upload_file_minidump",
          "v1/dump/" ID },
        { TK_CRASH_2018, TK_SPOOL_DUMP, "upload_file_minidump_browser",
          "v1/upload_file_minidump_browser/" ID },
        { TK_CRASH_2018, TK_SPOOL_RAW_CRASH, "",
          "v2/raw_crash/de1/20160918/" ID },
        { TK_CRASH_2022, TK_SPOOL_DUMP_NAMES, "", "v1/dump_names/" ID },
        { TK_CRASH_2022, TK_SPOOL_DUMP, "upload_file_minidump",
          "v1/dump/" ID },
        { TK_CRASH_2022, TK_SPOOL_DUMP, "memory_report",
          "v1/memory_report/" ID },
        { TK_CRASH_2022, TK_SPOOL_RAW_CRASH, "", "v1/raw_crash/20160918/" ID },
        { TK_CRASH_TREE, TK_SPOOL_DUMP_NAMES, "",
          "20160918/dump_names/" ID ".json" },
        { TK_CRASH_TREE, TK_SPOOL_DUMP, "upload_file_minidump",
          "20160918/upload_file_minidump/" ID },
        { TK_CRASH_TREE, TK_SPOOL_RAW_CRASH, "",
          "20160918/raw_crash/" ID ".json" },
        { TK_CRASH_TREE, TK_SPOOL_DUMP, "a12345678901234567890123456789",
          "20160918/a12345678901234567890123456789/" ID },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&obj, 0, sizeof(obj));

        obj.kind = cases[i].kind;
        obj.name_len = (uint8_t) strlen(cases[i].name);
        memcpy(obj.name, cases[i].name, obj.name_len);

        dst = malloc(TK_CRASH_KEY);
        len = tk_crash_key(dst, cases[i].layout, (const uint8_t *) ID, &obj);
        tap_is_str(dst, len, cases[i].key, cases[i].key);
        free(dst);
    }

    return tap_done();
}
