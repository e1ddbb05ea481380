
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symgen.h"


#define ROOM  4096


static uint64_t  seed, state;
static size_t    used;
static char      out[256 * 1024];


static uint64_t
mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;

    return z ^ (z >> 31);
}


void
gen_seed(uint64_t n)
{
    seed = mix(n + 0x9e3779b97f4a7c15);
    state = seed;
}


uint32_t
gen_below(uint32_t n)
{
    state += 0x9e3779b97f4a7c15;

    return (uint32_t) (((mix(state) >> 32) * n) >> 32);
}


double
gen_unit(void)
{
    state += 0x9e3779b97f4a7c15;

    return (double) (mix(state) >> 11) / 9007199254740992.0;
}


uint32_t
gen_hash(uint32_t n)
{
    return (uint32_t) (mix(seed + n * 0x9e3779b97f4a7c15) >> 32);
}


static void
gen_room(size_t len)
{
    if (sizeof(out) - used < len && gen_flush() == -1) {
        perror("symgen: write");
        exit(1);
    }
}


int
gen_flush(void)
{
    size_t   pos;
    ssize_t  n;

    for (pos = 0; pos < used; pos += (size_t) n) {
        n = write(STDOUT_FILENO, out + pos, used - pos);

        if (n == -1) {
            return -1;
        }
    }

    used = 0;

    return 0;
}


void
gen_byte(char ch)
{
    gen_room(1);
    out[used++] = ch;
}


void
gen_text(const char *text)
{
    size_t  len;

    len = strlen(text);
    gen_room(len);

    memcpy(out + used, text, len);
    used += len;
}


void
gen_decimal(uint32_t n, char after)
{
    char      digits[12];
    uint32_t  i;

    i = sizeof(digits);
    digits[--i] = after;

    do {
        digits[--i] = (char) ('0' + n % 10);
        n /= 10;
    } while (n);

    gen_room(sizeof(digits));
    memcpy(out + used, digits + i, sizeof(digits) - i);
    used += sizeof(digits) - i;
}


void
gen_hex(uint32_t n, char after)
{
    char      digits[12];
    uint32_t  i;

    i = sizeof(digits);
    digits[--i] = after;

    do {
        digits[--i] = "0123456789abcdef"[n & 15];
        n >>= 4;
    } while (n);

    gen_room(sizeof(digits));
    memcpy(out + used, digits + i, sizeof(digits) - i);
    used += sizeof(digits) - i;
}


void
gen_printf(const char *fmt, ...)
{
    int      n;
    va_list  args;

    gen_room(ROOM);

    va_start(args, fmt);
    n = vsnprintf(out + used, ROOM, fmt, args);
    va_end(args);

    if (n < 0 || n >= ROOM) {
        abort();
    }

    used += (size_t) n;
}
