
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_sym.h"


#define TK_SYM_RUN  24                  /* sorted by insertion */


static void tk_sym_merge_runs(const uint64_t *src, uint64_t *dst, size_t n,
    size_t width);


/* Ascending; behind the n keys there is room for as many. */

void
tk_sym_sort(uint64_t *keys, size_t n)
{
    size_t     i, k, from, width;
    uint64_t  *sorted, *other, *p, key;

    if (n < 2) {
        return;
    }

    sorted = keys;
    other = keys + n;

    for (from = 0; from < n; from += TK_SYM_RUN) {
        k = n - from < TK_SYM_RUN ? n - from : TK_SYM_RUN;

        for (i = 1; i < k; i++) {
            key = keys[from + i];

            for (p = &keys[from + i]; p > &keys[from] && p[-1] > key; p--) {
                p[0] = p[-1];
            }

            *p = key;
        }
    }

    for (width = TK_SYM_RUN; width < n; width *= 2) {
        tk_sym_merge_runs(sorted, other, n, width);

        p = sorted;
        sorted = other;
        other = p;
    }

    if (sorted != keys) {
        memcpy(keys, sorted, n * sizeof(uint64_t));
    }
}


static void
tk_sym_merge_runs(const uint64_t *src, uint64_t *dst, size_t n, size_t width)
{
    size_t           from;
    const uint64_t  *a, *a_last, *c, *c_last;

    for (from = 0; from < n; from += 2 * width) {
        a = src + from;
        a_last = src + (n - from < width ? n : from + width);
        c = a_last;
        c_last = src + (n - from < 2 * width ? n : from + 2 * width);

        while (a < a_last && c < c_last) {
            *dst++ = *a < *c ? *a++ : *c++;
        }

        while (a < a_last) {
            *dst++ = *a++;
        }

        while (c < c_last) {
            *dst++ = *c++;
        }
    }
}
