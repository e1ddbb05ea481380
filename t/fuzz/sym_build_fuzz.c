
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_fuzz.h"
#include "../unit/tk_symcache_tap.h"


#define HEAD  "MODULE Linux x86_64 0123456789ABCDEF0123456789ABCDEF1 m\n"


/* the file is right, and every address in it has frames that can be had */

static void
check(const built_t *b)
{
    size_t               i, k, n, len, all;
    uint8_t             *name;
    uint32_t             counts[64];
    uint64_t             addrs[64];
    const char          *reason;
    tk_symcache_t        sc;

    static tk_symcache_frame_t  frames[TK_SYMCACHE_FRAMES];
    static tk_symcache_frame_t  sorted[64 * TK_SYMCACHE_FRAMES];

    must(tk_symcache_open(&sc, b->data, b->size, &reason) == 0);
    must(tk_symcache_verify(&sc, &reason) == 0);
    must(sc.dropped == b->stat.dropped && sc.lines == b->stat.lines);

    name = fuzz_alloc(sc.name_max);

    for (i = 0; i < 64; i++) {
        addrs[i] = i < 48 ? 0xff0 + i : 0xffffffe0 + 4 * (i - 48);
    }

    n = tk_symcache_lookup_many(&sc, addrs, 64, sorted,
                                  sizeof(sorted) / sizeof(sorted[0]), counts);
    must(n == 64);
    all = 0;

    for (i = 0; i < 64; i++) {
        n = tk_symcache_lookup(&sc, addrs[i], frames, TK_SYMCACHE_FRAMES);
        must(n == counts[i] && n <= TK_SYMCACHE_FRAMES);

        for (k = 0; k < n; k++) {
            must(frames[k].function == sorted[all + k].function
                 && frames[k].line == sorted[all + k].line
                 && frames[k].file.data == sorted[all + k].file.data
                 && frames[k].file.len == sorted[all + k].file.len
                 && frames[k].entry == sorted[all + k].entry);

            len = tk_symcache_function(&sc, frames[k].function, name,
                                       sc.name_max);
            must(len <= sc.name_max);
        }

        all += n;
    }

    free(name);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                     head, len, ends[4];
    uint8_t                   *text;
    built_t                    whole, split;
    unsigned                   flags;
    tk_symcache_build_conf_t   conf;

    if (size < 4) {
        return 0;
    }

    /* mostly with a module, so that there is more to it */

    flags = data[0];
    head = flags & 1 ? 0 : sizeof(HEAD) - 1;
    len = head + size - 4;

    text = fuzz_alloc(len);
    memcpy(text, HEAD, head);
    memcpy(text + head, data + 4, size - 4);

    memset(&conf, 0, sizeof(conf));
    conf.strict = flags >> 1 & 1;
    conf.max_memory = 1 << 28;

    built(&whole, &conf, text, len, 0, NULL);

    must(whole.rc == TK_SYM_OK || whole.error[0] != '\0');
    must(whole.rc != TK_SYM_OK || whole.code == TK_SYM_ENONE);
    must(whole.code != TK_SYM_EOUTPUT && whole.code != TK_SYM_ENOMEM);

    if (whole.rc == TK_SYM_OK) {
        check(&whole);
    }

    ends[0] = len * data[1] / 256;
    ends[1] = ends[0] + (len - ends[0]) * data[2] / 256;
    ends[2] = ends[1] + (len - ends[1]) * data[3] / 256;
    ends[3] = 0;

    if (ends[0] && ends[1] > ends[0] && ends[2] > ends[1]) {
        built(&split, &conf, text, len, 0, ends);

    } else {
        built(&split, &conf, text, len, 1 + data[3] % 7, NULL);
    }

    must(split.rc == whole.rc && split.code == whole.code);
    must(strcmp(split.error, whole.error) == 0);
    must(split.size == whole.size);
    must(whole.size == 0
         || memcmp(split.data, whole.data, whole.size) == 0);

    free(split.data);
    free(whole.data);
    free(text);

    return 0;
}
