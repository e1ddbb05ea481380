
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#if (__SSE2__ && __x86_64__)
#include <immintrin.h>
#define TK_SYM_SSE2  1
#endif

#include "tk_sym.h"
#include "tk_sym_line.h"


/*
 * Line records of the usual form, "hex hex dec dec\n" with single spaces,
 * each of up to 32 bytes and each number of up to 8 digits: nine of ten lines
 * are.  Whatever else a line is, it is left to others.
 */


#if (TK_SYM_SSE2)

typedef struct {
    uint32_t         first;
    uint32_t         span;
    uint64_t         next;
    uint64_t         skipped;
    unsigned         unsorted;
    tk_sym_row_t    *row;
    tk_sym_row_t    *limit;
} tk_sym_rows_t;


static inline void
tk_sym_rows_begin(tk_sym_rows_t *r, tk_sym_func_t *f)
{
    r->first = f->addr;
    r->span = f->drop ? 0 : (uint32_t) (f->end - f->addr);
    r->row = f->rows + f->nrows;
    r->limit = f->rows + f->rows_size;
    r->next = f->nrows ? (uint64_t) r->row[-1].addr + r->row[-1].size : 0;
    r->skipped = 0;
    r->unsorted = 0;
}


static inline void
tk_sym_rows_end(tk_symcache_build_t *b, tk_sym_rows_t *r, tk_sym_func_t *f)
{
    uint64_t  lines;

    lines = (uint64_t) (r->row - f->rows) - f->nrows + r->skipped;

    b->stat.lines += lines;
    b->line += lines;

    f->nrows = (uint32_t) (r->row - f->rows);
    f->unsorted |= r->unsorted & 1;
}


/* Keeps the row that was written, if it is in the function. */

static inline void
tk_sym_rows_keep(tk_sym_rows_t *r, uint32_t addr, uint32_t size)
{
    if (addr - r->first >= r->span || size == 0) {
        r->skipped++;
        return;
    }

    r->unsorted |= (addr < r->next);
    r->next = (uint64_t) addr + size;
    r->row++;
}


/*
 * The ends of the four numbers from the places of separators; not 0 if there
 * are others, if the last is not the newline, or if a number is empty or has
 * other characters.
 */

static inline uint32_t
tk_sym_rows_ends(uint64_t s[4], uint32_t newlines, uint32_t spaces,
    uint32_t digits, uint32_t letters)
{
    uint32_t  ends, line, bad;

    line = newlines ^ (newlines - 1);
    ends = (newlines | spaces) & line;
    digits |= ends;
    bad = ends & (ends << 1 | 1);

    s[3] = (uint64_t) __builtin_ctz(newlines);
    s[0] = (uint64_t) __builtin_ctz(ends);

    /* one is not behind another when there are too few */

    ends = (ends & (ends - 1)) | 1u << 31;
    s[1] = (uint64_t) __builtin_ctz(ends);
    ends = (ends & (ends - 1)) | 1u << 31;
    s[2] = (uint64_t) __builtin_ctz(ends);

    /* letters in the first two only */

    digits |= letters & ((1u << s[1]) - 1);
    bad |= ~digits & line;

    ends &= ends - 1;
    bad |= (ends ^ newlines) & line;

    return bad;
}


#define tk_sym_mask16(x0, x1)                                                 \
    ((uint32_t) _mm_movemask_epi8(x0)                                         \
     | (uint32_t) _mm_movemask_epi8(x1) << 16)

/* n bytes from one on are the least, taken as signed numbers */

#define tk_sym_within16(x, from, n)                                           \
    _mm_cmplt_epi8(_mm_add_epi8(x, _mm_set1_epi8((char) (0x80 - (from)))),    \
                   _mm_set1_epi8((char) (0x80 + (n))))


static const uint8_t *
tk_sym_rows_sse2(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last)
{
    __m128i         v0, v1, c;
    uint32_t        newlines, spaces, digits, letters, n, nfiles;
    uint64_t        s[4];
    tk_sym_row_t   *row;
    tk_sym_func_t  *f;
    tk_sym_rows_t   r;
    const uint32_t  *files;

    f = &b->func;
    files = b->files.direct;
    nfiles = b->files.ndirect;
    tk_sym_rows_begin(&r, f);

    while (last - p >= TK_SYM_PAD && r.row < r.limit) {

        v0 = _mm_loadu_si128((const void *) p);
        v1 = _mm_loadu_si128((const void *) (p + 16));
        c = _mm_set1_epi8('\n');
        newlines = tk_sym_mask16(_mm_cmpeq_epi8(v0, c),
                                 _mm_cmpeq_epi8(v1, c));
        c = _mm_set1_epi8(' ');
        spaces = tk_sym_mask16(_mm_cmpeq_epi8(v0, c), _mm_cmpeq_epi8(v1, c));
        digits = tk_sym_mask16(tk_sym_within16(v0, '0', 10),
                               tk_sym_within16(v1, '0', 10));
        v0 = _mm_or_si128(v0, c);
        v1 = _mm_or_si128(v1, c);
        letters = tk_sym_mask16(tk_sym_within16(v0, 'a', 6),
                                tk_sym_within16(v1, 'a', 6));

        if (newlines == 0
            || tk_sym_rows_ends(s, newlines, spaces, digits, letters))
        {
            break;
        }

        /* numbers of up to 7 digits, but for the address */

        n = (uint32_t) ((s[1] - s[0] - 1) | (s[2] - s[1] - 1)
                        | (s[3] - s[2] - 1));

        if (s[0] > 8 || n > 7) {
            break;
        }

        n = tk_sym_dec8(tk_sym_load(p + s[2] + 1),
                        (unsigned) (s[3] - s[2] - 1));

        if (n >= nfiles) {
            break;
        }

        row = r.row;
        row->addr = tk_sym_hex8(tk_sym_load(p), (unsigned) s[0]);
        row->size = tk_sym_hex8(tk_sym_load(p + s[0] + 1),
                                (unsigned) (s[1] - s[0] - 1));
        row->line = tk_sym_dec8(tk_sym_load(p + s[1] + 1),
                                (unsigned) (s[2] - s[1] - 1));
        row->file = files[n];

        tk_sym_rows_keep(&r, row->addr, row->size);
        p += s[3] + 1;
    }

    tk_sym_rows_end(b, &r, f);

    return p;
}


/* Keeps a constant in a register: GCC makes it anew each time. */

#define tk_sym_constant(v)  __asm__ ("" : "+x" (v))

#define tk_sym_mask32(x)  ((uint32_t) _mm256_movemask_epi8(x))


/* the same, with the four numbers of a line side by side */

__attribute__((target("avx2,bmi,bmi2")))
static const uint8_t *
tk_sym_rows_avx2(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last)
{
    __m256i         v, c;
    __m128i         ends, len, numbers;
    uint32_t        newlines, spaces, digits, letters, file, nfiles;
    uint64_t        s[4];
    tk_sym_func_t  *f;
    tk_sym_rows_t   r;
    const uint32_t  *files;

    const __m256i  tens = _mm256_set_epi64x(0x010a010a010a010a,
                                            0x010a010a010a010a,
                                            0x0110011001100110,
                                            0x0110011001100110);
    const __m256i  hundreds = _mm256_set_epi64x(0x0001006400010064,
                                                0x0001006400010064,
                                                0x0001010000010100,
                                                0x0001010000010100);
    const __m256i  tops = _mm256_set_epi64x(10000, 10000, 65536, 65536);

    __m256i  space = _mm256_set1_epi8(' ');
    __m256i  newline = _mm256_set1_epi8('\n');
    __m256i  digit = _mm256_set1_epi8((char) (0x80 - '0'));
    __m256i  digit_top = _mm256_set1_epi8((char) (0x80 + 10));
    __m256i  letter = _mm256_set1_epi8((char) (0x80 - 'a'));
    __m256i  letter_top = _mm256_set1_epi8((char) (0x80 + 6));

    tk_sym_constant(space);
    tk_sym_constant(newline);
    tk_sym_constant(digit);
    tk_sym_constant(digit_top);
    tk_sym_constant(letter);
    tk_sym_constant(letter_top);

    f = &b->func;
    files = b->files.direct;
    nfiles = b->files.ndirect;
    tk_sym_rows_begin(&r, f);

    while (last - p >= TK_SYM_PAD && r.row < r.limit) {

        v = _mm256_loadu_si256((const void *) p);
        newlines = tk_sym_mask32(_mm256_cmpeq_epi8(v, newline));
        spaces = tk_sym_mask32(_mm256_cmpeq_epi8(v, space));

        c = _mm256_add_epi8(v, digit);
        digits = tk_sym_mask32(_mm256_cmpgt_epi8(digit_top, c));
        c = _mm256_add_epi8(_mm256_or_si256(v, space), letter);
        letters = tk_sym_mask32(_mm256_cmpgt_epi8(letter_top, c));

        if (newlines == 0
            || tk_sym_rows_ends(s, newlines, spaces, digits, letters))
        {
            break;
        }

        ends = _mm_set_epi32((int) s[3], (int) s[2], (int) s[1], (int) s[0]);
        len = _mm_sub_epi32(ends, _mm_alignr_epi8(ends, _mm_set1_epi32(-1),
                                                  12));
        len = _mm_sub_epi32(_mm_set1_epi32(9), len);

        /* 8 less the number of digits */

        if (_mm_movemask_ps(_mm_castsi128_ps(len))) {
            break;
        }

        v = _mm256_set_epi64x((long long) tk_sym_load(p + s[2] + 1),
                              (long long) tk_sym_load(p + s[1] + 1),
                              (long long) tk_sym_load(p + s[0] + 1),
                              (long long) tk_sym_load(p));

        v = _mm256_sllv_epi64(v, _mm256_cvtepu32_epi64(_mm_slli_epi32(len,
                                                                      3)));

        c = _mm256_and_si256(_mm256_srli_epi64(v, 6), _mm256_set1_epi8(1));
        v = _mm256_and_si256(v, _mm256_set1_epi8(0x0f));
        v = _mm256_add_epi8(v, _mm256_add_epi8(c, _mm256_slli_epi64(c, 3)));

        v = _mm256_maddubs_epi16(v, tens);
        v = _mm256_madd_epi16(v, hundreds);
        v = _mm256_add_epi64(_mm256_mul_epu32(v, tops),
                             _mm256_srli_epi64(v, 32));

        v = _mm256_permutevar8x32_epi32(v, _mm256_set_epi32(0, 0, 0, 0, 6, 4,
                                                            2, 0));
        numbers = _mm256_castsi256_si128(v);

        file = (uint32_t) _mm_extract_epi32(numbers, 3);

        if (file >= nfiles) {
            break;
        }

        _mm_storeu_si128((void *) r.row, numbers);
        r.row->file = files[file];

        tk_sym_rows_keep(&r, (uint32_t) _mm_cvtsi128_si32(numbers),
                         (uint32_t) _mm_extract_epi32(numbers, 1));
        p += s[3] + 1;
    }

    tk_sym_rows_end(b, &r, f);

    return p;
}


/* Returns the first line that is not of that form, NULL after an error. */

const uint8_t *
tk_sym_rows(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    tk_sym_func_t  *f;

    f = &b->func;

    if (f->end > UINT32_MAX && !f->drop) {
        return p;
    }

    for ( ;; ) {

        if (f->nrows == f->rows_size && tk_sym_rows_grow(b) != 0) {
            return NULL;
        }

        p = b->wide ? tk_sym_rows_avx2(b, p, last)
                    : tk_sym_rows_sse2(b, p, last);

        if (f->nrows < f->rows_size) {
            return p;
        }
    }
}


int
tk_sym_rows_wide(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")
           && __builtin_cpu_supports("bmi2");
}

#else

/* all lines are read as records */

const uint8_t *
tk_sym_rows(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    (void) b;
    (void) last;

    return p;
}


int
tk_sym_rows_wide(void)
{
    return 0;
}

#endif
