
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYM_INDEX_H_INCLUDED_
#define _TK_SYM_INDEX_H_INCLUDED_


/* The index of units by address: a tree of nodes of 16 keys. */


#include "tk_symcache_format.h"

#include <stddef.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif


/* how many keys of a node are not above an address */

static inline unsigned
tk_sym_index_node(const uint32_t *keys, uint32_t addr)
{
    unsigned  n;

#ifdef __SSE2__

    __m128i  v, a, flip, above;

    flip = _mm_set1_epi32((int) 0x80000000);
    a = _mm_xor_si128(_mm_set1_epi32((int) addr), flip);
    above = _mm_setzero_si128();

    for (n = 0; n < TK_SYMCACHE_NODE; n += 4) {
        v = _mm_loadu_si128((const __m128i *) (const void *) (keys + n));
        above = _mm_add_epi32(above,
                              _mm_cmpgt_epi32(_mm_xor_si128(v, flip), a));
    }

    above = _mm_add_epi32(above, _mm_shuffle_epi32(above, 0x4e));
    above = _mm_add_epi32(above, _mm_shuffle_epi32(above, 0xb1));

    return (unsigned) (TK_SYMCACHE_NODE + _mm_cvtsi128_si32(above));

#else

    unsigned  i;

    for (n = 0, i = 0; i < TK_SYMCACHE_NODE; i++) {
        n += keys[i] <= addr;
    }

    return n;

#endif
}


/*
 * From a node of a level, whose number is in unit, to the next level: the
 * number of the node there, or the unit's, and its key.  NULL: there is none.
 * Any content of the index gives a key of it, or NULL.
 */

static inline const uint32_t *
tk_sym_index_step(const uint32_t *index, const uint32_t *level,
    uint32_t units, uint32_t l, uint32_t addr, uint32_t *unit)
{
    uint32_t         i, n, max;
    const uint32_t  *keys;

    keys = index + level[l] + (size_t) *unit * TK_SYMCACHE_NODE * (l ? 1 : 2);
    n = tk_sym_index_node(keys, addr);

    if (n == 0) {
        return NULL;
    }

    /* what fills up the last node does not count */

    i = *unit * TK_SYMCACHE_NODE + n - 1;
    max = (units - 1) >> (4 * l);
    *unit = i < max ? i : max;

    return keys + *unit % TK_SYMCACHE_NODE;
}


/* Of a level, the node of that number is wanted soon. */

static inline void
tk_sym_index_prefetch(const uint32_t *index, const uint32_t *level,
    uint32_t l, uint32_t node)
{
    index += level[l] + (size_t) node * TK_SYMCACHE_NODE * (l ? 1 : 2);

    __builtin_prefetch(index);

    if (l == 0) {
        __builtin_prefetch(index + TK_SYMCACHE_NODE);
    }
}


/* The key of the last unit that starts at an address or before; its offset in
 * CODE is TK_SYMCACHE_NODE behind.  NULL: there is none. */

static inline const uint32_t *
tk_sym_index_find(const uint32_t *index, const uint32_t *level,
    uint32_t levels, uint32_t units, uint32_t addr, uint32_t *unit)
{
    uint32_t         l;
    const uint32_t  *key;

    key = NULL;
    *unit = 0;

    if (units == 0) {
        return NULL;
    }

    for (l = levels; l--; /* void */ ) {
        key = tk_sym_index_step(index, level, units, l, addr, unit);

        if (key == NULL) {
            break;
        }
    }

    return key;
}


#endif /* _TK_SYM_INDEX_H_INCLUDED_ */
