
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _SYMGEN_H_INCLUDED_
#define _SYMGEN_H_INCLUDED_


#include <stdint.h>


/* random numbers, the same for the same seed */

void gen_seed(uint64_t seed);
uint32_t gen_below(uint32_t n);          /* 0 .. n - 1 */
double gen_unit(void);                   /* 0 .. 1 */
uint32_t gen_hash(uint32_t n);           /* always the same of n */

#define gen_chance(p)  (gen_unit() < (p))


/* to stdout */

void gen_byte(char ch);
void gen_text(const char *text);
void gen_decimal(uint32_t n, char after);
void gen_hex(uint32_t n, char after);
void gen_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int gen_flush(void);                     /* -1: all was not written */


/* names; size: the more, the longer */

enum {
    GEN_FUNCTION = 1,
    GEN_ORIGIN,
    GEN_PUBLIC
};

void gen_names(double size);
void gen_name(uint32_t kind, uint32_t n);   /* always the same of n */
void gen_file(uint32_t n);


#endif /* _SYMGEN_H_INCLUDED_ */
