
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * The input is an index with the right checksum, and objects of the size it
 * wants: what is read from it is what would be written, and lies within the
 * record.
 */


#include "tk_fuzz.h"
#include "tk_spool.h"


#define OBJECTS  64


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t            *text, line[TK_SPOOL_END];
    size_t              i, len;
    uint64_t            offset;
    const char         *reason;
    tk_spool_end_t      end, other;
    tk_spool_object_t   objects[OBJECTS];
    tk_spool_record_t   rec;

    /* any line may be read as an end line */

    if (size >= TK_SPOOL_END) {
        (void) tk_spool_parse_end(&other, data, size);
    }

    if (size < 2) {
        return 0;
    }

    offset = TK_SPOOL_HEAD + data[0];
    len = size - 1;

    text = fuzz_alloc(len);
    memcpy(text, data + 1, len);

    tk_spool_end(line, offset, text, len);

    must(tk_spool_parse_end(&end, line, offset + len + TK_SPOOL_END)
         == (len <= TK_SPOOL_INDEX ? 0 : -1));

    must(tk_spool_parse_end(&other, line, offset + len + TK_SPOOL_END - 1)
         == -1);

    if (len <= TK_SPOOL_INDEX) {
        must(end.index == offset && end.index_length == len);

        rec.objects = objects;

        if (tk_spool_parse_index(&rec, OBJECTS, &end, text, &reason) == 0) {

            for (i = 0; i < rec.n; i++) {
                must(objects[i].offset >= TK_SPOOL_HEAD);
                must(objects[i].offset + objects[i].length <= offset);
                must(objects[i].name_len <= TK_SPOOL_NAME);
            }

            must(tk_spool_index(NULL, &rec) == len);

            free(text);
            text = fuzz_alloc(len);

            must(tk_spool_index(text, &rec) == len);
            must(memcmp(text, data + 1, len) == 0);

        } else {
            must(reason != NULL);
        }
    }

    free(text);

    return 0;
}
