
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYM_HASH_H_INCLUDED_
#define _TK_SYM_HASH_H_INCLUDED_


/* XXH64 with the seed 0: the checksums of symcaches. */


#include <stddef.h>
#include <stdint.h>


typedef struct {
    uint64_t   acc[4];
    uint64_t   total;
    uint8_t    buf[32];
} tk_sym_hash_t;


void tk_sym_hash_init(tk_sym_hash_t *h);
void tk_sym_hash_update(tk_sym_hash_t *h, const void *data, size_t len);
uint64_t tk_sym_hash_final(const tk_sym_hash_t *h);

/* of len bytes at once; data may be NULL if len is 0 */
uint64_t tk_sym_hash(const void *data, size_t len);


#endif /* _TK_SYM_HASH_H_INCLUDED_ */
