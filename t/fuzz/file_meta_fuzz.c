
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_fuzz.h"
#include "tk_file_meta.h"


static void
same(const tk_str_t *one, const tk_str_t *two)
{
    must(one->len == two->len
         && (one->len == 0 || memcmp(one->data, two->data, one->len) == 0));
}


/* what is read is written, and read again, alike */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          n;
    uint8_t        *text, *copy;
    tk_file_meta_t  one, two;

    copy = fuzz_alloc(size);
    memcpy(copy, data, size);

    if (tk_file_meta_parse(&one, copy, size)) {
        must(size <= TK_FILE_META_MAX);

        text = fuzz_alloc(TK_FILE_META_MAX);

        n = tk_file_meta_write(text, &one);

        must(n > 0 && n <= TK_FILE_META_MAX);
        must(tk_file_meta_parse(&two, text, n));

        must(one.size == two.size && one.sec == two.sec
             && one.nsec == two.nsec && one.inode == two.inode
             && one.original_size == two.original_size);

        same(&one.content_type, &two.content_type);
        same(&one.content_encoding, &two.content_encoding);
        same(&one.original_md5, &two.original_md5);

        free(text);
    }

    free(copy);

    return 0;
}
