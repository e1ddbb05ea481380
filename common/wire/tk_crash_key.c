
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_crash_key.h"
#include "tk_out.h"


static void tk_crash_key_tree(tk_out_t *out, const tk_str_t *id,
    const tk_str_t *date, const tk_str_t *name, tk_spool_kind_e kind);


size_t
tk_crash_key(uint8_t *dst, tk_crash_layout_e layout, const uint8_t *crash_id,
    const tk_spool_object_t *object)
{
    uint8_t   day[TK_CRASH_ID_DATE];
    tk_out_t  out;
    tk_str_t  id, date, name;

    static const tk_str_t  dump = tk_string("dump");
    static const tk_str_t  minidump = tk_string("upload_file_minidump");

    tk_crash_id_date(day, crash_id);

    id.data = crash_id;
    id.len = TK_CRASH_ID;
    date.data = day;
    date.len = TK_CRASH_ID_DATE;
    name.data = object->name;
    name.len = object->name_len;

    tk_out_buffer(&out, (char *) dst, TK_CRASH_KEY);

    if (layout == TK_CRASH_TREE) {
        tk_crash_key_tree(&out, &id, &date, &name, object->kind);
        return (size_t) tk_out_length(&out);
    }

    switch (object->kind) {

    case TK_SPOOL_DUMP_NAMES:
        tk_put_text(&out, "v1/dump_names/");
        break;

    case TK_SPOOL_DUMP:
        if (name.len == minidump.len
            && memcmp(name.data, minidump.data, name.len) == 0)
        {
            name = dump;
        }

        tk_put_text(&out, "v1/");
        tk_put_str(&out, &name);
        tk_put_text(&out, "/");
        break;

    case TK_SPOOL_RAW_CRASH:
        if (layout == TK_CRASH_2018) {
            tk_put_text(&out, "v2/raw_crash/");
            tk_put(&out, crash_id, 3);
            tk_put_text(&out, "/");

        } else {
            tk_put_text(&out, "v1/raw_crash/");
        }

        tk_put_str(&out, &date);
        tk_put_text(&out, "/");
        break;
    }

    tk_put_str(&out, &id);

    return (size_t) tk_out_length(&out);
}


static void
tk_crash_key_tree(tk_out_t *out, const tk_str_t *id, const tk_str_t *date,
    const tk_str_t *name, tk_spool_kind_e kind)
{
    tk_put_str(out, date);

    switch (kind) {

    case TK_SPOOL_DUMP_NAMES:
        tk_put_text(out, "/dump_names/");
        break;

    case TK_SPOOL_DUMP:
        tk_put_text(out, "/");
        tk_put_str(out, name);
        tk_put_text(out, "/");
        break;

    case TK_SPOOL_RAW_CRASH:
        tk_put_text(out, "/raw_crash/");
        break;
    }

    tk_put_str(out, id);

    if (kind != TK_SPOOL_DUMP) {
        tk_put_text(out, ".json");
    }
}
