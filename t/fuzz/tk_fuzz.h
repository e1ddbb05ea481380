
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_FUZZ_H_INCLUDED_
#define _TK_FUZZ_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* what always holds, whatever the input */

#define must(condition)                                                       \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                          \
        }                                                                     \
    } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* a block of just that size, so that one byte more is seen */

static inline void *
fuzz_alloc(size_t size)
{
    void  *p;

    p = malloc(size ? size : 1);
    must(p != NULL);

    return p;
}


#endif /* _TK_FUZZ_H_INCLUDED_ */
