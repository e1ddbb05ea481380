
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <stdlib.h>

#if (__SSE2__ && __x86_64__)
#include <immintrin.h>
#define TK_SYM_SSE2  1
#endif

#include "tk_sym_line.h"
#include "tk_sym_pack.h"


/*
 * Texts that come again are found where words start: their hash gives the
 * place in the dictionary, or in the last names, from where a text that is
 * seen for the second time goes to the dictionary.
 */

#define TK_SYM_PACK_HASH    14          /* bits */
#define TK_SYM_PACK_SEEN    14
#define TK_SYM_PACK_RECENT  (1 << 18)
#define TK_SYM_PACK_FIRST   32768

/* beyond the first, a byte for so many of names: the dictionary is to be of
 * all parts of a file */

#define TK_SYM_PACK_RATE    64

#define TK_SYM_PACK_NAME    4096        /* longer ones teach nothing */

#define TK_SYM_PACK_SCAN    4           /* so many times 64 bytes are looked
                                         * through at once, a text at least */

#define TK_SYM_PACK_STARTS  32          /* in 64 bytes, at most */


/* a text that is a word, most probably */

typedef struct {
    uint32_t   pos;
    uint32_t   place;
} tk_sym_pack_hit_t;


struct tk_sym_pack_s {
    uint64_t   total;                   /* bytes of names */
    unsigned   wide:1;                  /* AVX2 */
    uint32_t   nwords;
    uint32_t   nrecent;
    uint32_t   hash[1 << TK_SYM_PACK_HASH];  /* tag and place */
    uint32_t   seen[1 << TK_SYM_PACK_SEEN];
    uint8_t    words[TK_SYM_PACK_WORDS + 64];
    uint8_t    recent[TK_SYM_PACK_RECENT + TK_SYM_PACK_NAME + 64];
};


/* of the 32 bits of a hash, the low ones are the tag */

#define TK_SYM_PACK_TAG(hash)   ((hash) << 19)
#define TK_SYM_PACK_PLACE       0x7ffff


static uint8_t *tk_sym_pack_known(const tk_sym_pack_t *k, uint8_t *dst,
    const uint8_t *p, size_t len);
static uint8_t *tk_sym_pack_learning(tk_sym_pack_t *k, uint8_t *dst,
    const uint8_t *p, size_t len);
static size_t tk_sym_pack_learn(tk_sym_pack_t *k, uint32_t hash,
    const uint8_t *p, size_t max, uint32_t recent, uint32_t *place);
static void tk_sym_pack_word(tk_sym_pack_t *k, const uint8_t *p, size_t len);


tk_sym_pack_t *
tk_sym_pack_create(unsigned narrow)
{
    tk_sym_pack_t  *k;

    k = calloc(1, sizeof(tk_sym_pack_t));

#if (TK_SYM_SSE2)

    if (k && !narrow) {
        k->wide = (__builtin_cpu_supports("avx2") != 0);
    }

#endif

    return k;
}


size_t
tk_sym_pack_memory(void)
{
    return sizeof(tk_sym_pack_t);
}


const uint8_t *
tk_sym_pack_words(const tk_sym_pack_t *k, size_t *len)
{
    *len = k->nwords;

    return k->words;
}


static inline uint32_t
tk_sym_pack_hash(const uint8_t *p)
{
    return (uint32_t) ((((tk_sym_load(p) * 0x9e3779b97f4a7c15)
                         ^ tk_sym_load(p + TK_SYM_PACK_MIN - 8))
                        * 0xd6e8feb86659fd93) >> 32);
}


/* How many bytes are the same; up to 31 more than max are read.  Most often it
 * takes one step. */

static inline size_t
tk_sym_pack_common(const uint8_t *a, const uint8_t *b, size_t max)
{
    size_t    n;
    uint64_t  differ;

    for (n = 0; n < max; n += 32) {

#if (TK_SYM_SSE2)

        differ = (uint32_t) ~_mm_movemask_epi8(_mm_cmpeq_epi8(
                     _mm_loadu_si128((const void *) (a + n)),
                     _mm_loadu_si128((const void *) (b + n)))) & 0xffff;
        differ |= (uint64_t) (uint32_t) ~_mm_movemask_epi8(_mm_cmpeq_epi8(
                     _mm_loadu_si128((const void *) (a + n + 16)),
                     _mm_loadu_si128((const void *) (b + n + 16)))) << 16;
        differ &= UINT32_MAX;

#else

        unsigned  i;

        for (differ = 0, i = 0; i < 32 && differ == 0; i++) {
            differ = (uint64_t) (a[n + i] != b[n + i]) << i;
        }

#endif

        if (differ) {
            n += (size_t) __builtin_ctzll(differ);
            break;
        }
    }

    return n < max ? n : max;
}


/*
 * Of n times 64 bytes, those behind one of "<(, $" that are none of these, of
 * which the last four differ in two bits; those behind a colon would shorten
 * names by little, and be as many again to look for;
 * before: is there one of these before them?  Returns that for what follows.
 */

static inline uint64_t
tk_sym_pack_starts(uint64_t *starts, size_t n, uint64_t before)
{
    size_t    i;
    uint64_t  ends;

    for (i = 0; i < n; i++) {
        ends = starts[i];
        starts[i] = (ends << 1 | before) & ~ends;
        before = ends >> 63;
    }

    return before;
}


#if (TK_SYM_SSE2)

static uint64_t
tk_sym_pack_scan_sse2(uint64_t *starts, const uint8_t *p, size_t n,
    uint64_t before)
{
    size_t    i, k;
    __m128i   v, e;
    uint64_t  ends;

    for (i = 0; i < n; i++) {
        ends = 0;

        for (k = 0; k < 64; k += 16, p += 16) {
            v = _mm_loadu_si128((const void *) p);

            e = _mm_cmpeq_epi8(v, _mm_set1_epi8('<'));
            v = _mm_and_si128(v, _mm_set1_epi8((char) ~0x0c));
            e = _mm_or_si128(e, _mm_cmpeq_epi8(v, _mm_set1_epi8(' ')));

            ends |= (uint64_t) (uint32_t) _mm_movemask_epi8(e) << k;
        }

        starts[i] = ends;
    }

    return tk_sym_pack_starts(starts, n, before);
}


__attribute__((target("avx2")))
static uint64_t
tk_sym_pack_scan_avx2(uint64_t *starts, const uint8_t *p, size_t n,
    uint64_t before)
{
    size_t    i, k;
    __m256i   v, e;
    uint64_t  ends;

    for (i = 0; i < n; i++) {
        ends = 0;

        for (k = 0; k < 64; k += 32, p += 32) {
            v = _mm256_loadu_si256((const void *) p);
            e = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('<'));
            v = _mm256_and_si256(v, _mm256_set1_epi8((char) ~0x0c));
            e = _mm256_or_si256(e, _mm256_cmpeq_epi8(v,
                                                   _mm256_set1_epi8(' ')));

            ends |= (uint64_t) (uint32_t) _mm256_movemask_epi8(e) << k;
        }

        starts[i] = ends;
    }

    return tk_sym_pack_starts(starts, n, before);
}


static inline uint64_t
tk_sym_pack_scan(const tk_sym_pack_t *k, uint64_t *starts, const uint8_t *p,
    size_t n, uint64_t before)
{
    return k->wide ? tk_sym_pack_scan_avx2(starts, p, n, before)
                   : tk_sym_pack_scan_sse2(starts, p, n, before);
}

#else

static inline uint64_t
tk_sym_pack_scan(const tk_sym_pack_t *k, uint64_t *starts, const uint8_t *p,
    size_t n, uint64_t before)
{
    size_t    i, c;
    uint64_t  ends;

    (void) k;

    for (i = 0; i < n; i++) {
        ends = 0;

        for (c = 0; c < 64; c++, p++) {
            ends |= (uint64_t) (*p == '<' || (*p & ~0x0c) == ' ') << c;
        }

        starts[i] = ends;
    }

    return tk_sym_pack_starts(starts, n, before);
}

#endif


/* how often 64 bytes, for all starts where there is enough behind */

static inline size_t
tk_sym_pack_blocks(size_t len)
{
    return len < TK_SYM_PACK_MIN ? 0 : (len - TK_SYM_PACK_MIN) / 64 + 1;
}


/* of the starts behind base, those that are not before pos */

static inline uint64_t
tk_sym_pack_behind(uint64_t starts, size_t base, size_t pos)
{
    if (pos <= base) {
        return starts;
    }

    return pos - base < 64 ? starts >> (pos - base) << (pos - base) : 0;
}


/* up to 32 bytes more are read and written, most often in one step */

static inline uint8_t *
tk_sym_pack_copy(uint8_t *dst, const uint8_t *p, size_t len)
{
    size_t  i;

    memcpy(dst, p, 32);

    for (i = 32; i < len; i += 32) {
        memcpy(dst + i, p + i, 32);
    }

    return dst + len;
}


static inline uint8_t *
tk_sym_pack_reference(uint8_t *dst, uint32_t place, size_t len)
{
    len -= TK_SYM_PACK_MIN;

    *dst++ = (uint8_t) (0x80 | len << 1 | place >> 16);
    *dst++ = (uint8_t) (place >> 8);
    *dst++ = (uint8_t) place;

    return dst;
}


uint8_t *
tk_sym_pack(tk_sym_pack_t *k, uint8_t *dst, const uint8_t *p, size_t len)
{
    unsigned  learn;

    learn = len <= TK_SYM_PACK_NAME
            && k->nwords < TK_SYM_PACK_WORDS - TK_SYM_PACK_MAX
            && (k->nwords < TK_SYM_PACK_FIRST
                || (uint64_t) k->nwords * TK_SYM_PACK_RATE < k->total);

    k->total += len;

    return learn ? tk_sym_pack_learning(k, dst, p, len)
                 : tk_sym_pack_known(k, dst, p, len);
}


/*
 * With the words that there are: where each may start is asked for at once, so
 * that tables and words are waited for together.
 */

static uint8_t *
tk_sym_pack_known(const tk_sym_pack_t *k, uint8_t *dst, const uint8_t *p,
    size_t len)
{
    size_t              i, n, pos, done, max, nhits, blocks;
    uint32_t            hash, entry, place;
    uint64_t            starts, before, all[TK_SYM_PACK_SCAN];
    tk_sym_pack_hit_t  *hit, hits[TK_SYM_PACK_STARTS + 1];

    done = 0;
    before = 1;
    blocks = tk_sym_pack_blocks(len);

    for (i = 0; i < blocks; i++) {

        if (i % TK_SYM_PACK_SCAN == 0) {
            n = blocks - i < TK_SYM_PACK_SCAN ? blocks - i : TK_SYM_PACK_SCAN;
            before = tk_sym_pack_scan(k, all, p + 64 * i, n, before);
        }

        starts = all[i % TK_SYM_PACK_SCAN];

        /* too near to the end */

        if (len - 64 * i < 64 + TK_SYM_PACK_MIN) {
            starts &= UINT64_MAX >> (63 - (len - 64 * i - TK_SYM_PACK_MIN));
        }

        nhits = 0;

        for ( /* void */ ; starts; starts &= starts - 1) {
            pos = 64 * i + (size_t) __builtin_ctzll(starts);
            hash = tk_sym_pack_hash(p + pos);
            entry = k->hash[hash >> (32 - TK_SYM_PACK_HASH)];
            place = entry & TK_SYM_PACK_PLACE;

            hits[nhits].pos = (uint32_t) pos;
            hits[nhits].place = place;
            nhits += ((entry ^ TK_SYM_PACK_TAG(hash)) <= TK_SYM_PACK_PLACE);

            __builtin_prefetch(k->words + place);
        }

        for (hit = hits; hit < hits + nhits; hit++) {
            pos = hit->pos;
            place = hit->place;

            if (pos < done) {
                continue;
            }

            max = len - pos < TK_SYM_PACK_MAX ? len - pos : TK_SYM_PACK_MAX;
            max = k->nwords - place < max ? k->nwords - place : max;
            n = tk_sym_pack_common(k->words + place, p + pos, max);

            if (n < TK_SYM_PACK_MIN) {
                continue;
            }

            dst = tk_sym_pack_copy(dst, p + done, pos - done);
            dst = tk_sym_pack_reference(dst, place, n);
            done = pos + n;
        }
    }

    return tk_sym_pack_copy(dst, p + done, len - done);
}


static uint8_t *
tk_sym_pack_learning(tk_sym_pack_t *k, uint8_t *dst, const uint8_t *p,
    size_t len)
{
    size_t    i, base, pos, done, n, max, blocks;
    uint32_t  hash, entry, place, recent;
    uint64_t  starts, before, all[TK_SYM_PACK_SCAN];

    done = 0;
    before = 1;
    blocks = tk_sym_pack_blocks(len);

    recent = k->nrecent;
    memcpy(k->recent + recent, p, len);
    k->recent[recent + len] = '\0';
    k->nrecent += (uint32_t) len + 1;

    if (k->nrecent > TK_SYM_PACK_RECENT) {
        k->nrecent = 0;
    }

    for (i = 0; i < blocks; i++) {
        base = 64 * i;

        if (i % TK_SYM_PACK_SCAN == 0) {
            n = blocks - i < TK_SYM_PACK_SCAN ? blocks - i : TK_SYM_PACK_SCAN;
            before = tk_sym_pack_scan(k, all, p + base, n, before);
        }

        starts = tk_sym_pack_behind(all[i % TK_SYM_PACK_SCAN], base, done);

        while (starts) {
            pos = base + (size_t) __builtin_ctzll(starts);
            starts &= starts - 1;

            if (pos + TK_SYM_PACK_MIN > len) {
                break;
            }

            hash = tk_sym_pack_hash(p + pos);
            max = len - pos < TK_SYM_PACK_MAX ? len - pos : TK_SYM_PACK_MAX;
            entry = k->hash[hash >> (32 - TK_SYM_PACK_HASH)];
            place = entry & TK_SYM_PACK_PLACE;
            n = 0;

            if ((entry ^ TK_SYM_PACK_TAG(hash)) <= TK_SYM_PACK_PLACE) {
                n = k->nwords - place < max ? k->nwords - place : max;
                n = tk_sym_pack_common(k->words + place, p + pos, n);
            }

            if (n < TK_SYM_PACK_MIN) {
                n = tk_sym_pack_learn(k, hash, p + pos, max,
                                      recent + (uint32_t) pos, &place);
            }

            if (n < TK_SYM_PACK_MIN) {
                continue;
            }

            dst = tk_sym_pack_copy(dst, p + done, pos - done);
            dst = tk_sym_pack_reference(dst, place, n);
            done = pos + n;

            starts = tk_sym_pack_behind(starts, base, done);
        }
    }

    return tk_sym_pack_copy(dst, p + done, len - done);
}


/* Was the text at p in one of the last names: then it becomes a word.
 * Returns its length. */

static size_t
tk_sym_pack_learn(tk_sym_pack_t *k, uint32_t hash, const uint8_t *p,
    size_t max, uint32_t recent, uint32_t *place)
{
    size_t     n;
    uint32_t  *seen, entry;

    seen = &k->seen[hash >> (32 - TK_SYM_PACK_SEEN)];
    entry = *seen;
    *seen = recent | TK_SYM_PACK_TAG(hash);

    if ((entry ^ TK_SYM_PACK_TAG(hash)) > TK_SYM_PACK_PLACE
        || k->nwords + max > TK_SYM_PACK_WORDS)
    {
        return 0;
    }

    n = tk_sym_pack_common(k->recent + (entry & TK_SYM_PACK_PLACE), p, max);

    if (n >= TK_SYM_PACK_MIN) {
        *place = k->nwords;
        tk_sym_pack_word(k, p, n);
    }

    return n;
}


static void
tk_sym_pack_word(tk_sym_pack_t *k, const uint8_t *p, size_t len)
{
    size_t    i, pos, blocks;
    uint32_t  hash;
    uint64_t  starts, all[TK_SYM_PACK_SCAN];

    memcpy(k->words + k->nwords, p, len);

    blocks = tk_sym_pack_blocks(len);
    (void) tk_sym_pack_scan(k, all, p, blocks, 1);

    for (i = 0; i < blocks; i++) {
        starts = all[i];

        while (starts) {
            pos = 64 * i + (size_t) __builtin_ctzll(starts);
            starts &= starts - 1;

            if (pos + TK_SYM_PACK_MIN > len) {
                break;
            }

            hash = tk_sym_pack_hash(p + pos);
            k->hash[hash >> (32 - TK_SYM_PACK_HASH)]
                = (uint32_t) (k->nwords + pos) | TK_SYM_PACK_TAG(hash);
        }
    }

    k->nwords += (uint32_t) len;
}
