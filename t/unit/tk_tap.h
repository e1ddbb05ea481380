
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_TAP_H_INCLUDED_
#define _TK_TAP_H_INCLUDED_


/*
 * Test Anything Protocol for the programs of t/unit: each includes this once
 * and ends with return tap_done().  They run in the root of the source tree.
 */


#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define TAP_UNUSED  __attribute__((unused))


static unsigned  tap_tests;
static unsigned  tap_failures;
static uint64_t  tap_seed = 0x9e3779b97f4a7c15;


/* on one line, whatever the bytes */

static void TAP_UNUSED
tap_print(FILE *out, const void *data, size_t len)
{
    size_t          i;
    const uint8_t  *p;

    p = data;

    for (i = 0; i < len; i++) {
        fprintf(out, p[i] >= 0x20 && p[i] < 0x7f ? "%c" : "\\x%02x", p[i]);
    }
}


static int TAP_UNUSED __attribute__((format(printf, 2, 3)))
tap_ok(int pass, const char *fmt, ...)
{
    char     name[1024];
    va_list  args;

    tap_tests++;
    tap_failures += !pass;

    va_start(args, fmt);
    vsnprintf(name, sizeof(name), fmt, args);
    va_end(args);

    printf("%sok %u - ", pass ? "" : "not ", tap_tests);
    tap_print(stdout, name, strlen(name));
    printf("\n");

    /* prove drops what a test says on its standard output */

    if (!pass) {
        fprintf(stderr, "#   Failed test %u: ", tap_tests);
        tap_print(stderr, name, strlen(name));
        fprintf(stderr, "\n");
    }

    return pass;
}


/* bytes on a line of their own, TAP has no other escapes to break */

static void TAP_UNUSED
tap_diag_bytes(const char *label, const void *data, size_t len)
{
    fprintf(stderr, "# %8s (%zu): ", label, len);
    tap_print(stderr, data, len);
    fprintf(stderr, "\n");
}


static int TAP_UNUSED
tap_is_bytes(const void *got, size_t got_len, const void *want,
    size_t want_len, const char *name)
{
    int  pass;

    pass = (got_len == want_len
            && (want_len == 0 || memcmp(got, want, want_len) == 0));

    if (!tap_ok(pass, "%s", name)) {
        tap_diag_bytes("got", got, got_len);
        tap_diag_bytes("expected", want, want_len);
    }

    return pass;
}


static int TAP_UNUSED
tap_is_str(const void *got, size_t len, const char *want, const char *name)
{
    return tap_is_bytes(got, len, want, strlen(want), name);
}


static int TAP_UNUSED
tap_is_int(int64_t got, int64_t want, const char *name)
{
    int  pass;

    pass = (got == want);

    if (!tap_ok(pass, "%s", name)) {
        fprintf(stderr, "# got %lld, expected %lld\n", (long long) got,
                (long long) want);
    }

    return pass;
}


/* the same numbers in each run: splitmix64 */

static uint64_t TAP_UNUSED
tap_random(void)
{
    uint64_t  z;

    tap_seed += 0x9e3779b97f4a7c15;

    z = tap_seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;

    return z ^ (z >> 31);
}


static void TAP_UNUSED
tap_random_bytes(uint8_t *p, size_t len)
{
    while (len--) {
        *p++ = (uint8_t) tap_random();
    }
}


/* A file of t/data with a NUL behind it; the caller frees. */

static TAP_UNUSED char *
tap_read_file(const char *name, size_t *len)
{
    long   size;
    char  *buf;
    FILE  *f;

    buf = NULL;
    f = fopen(name, "rb");

    if (f && fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0
        && fseek(f, 0, SEEK_SET) == 0)
    {
        buf = malloc((size_t) size + 1);

        if (buf && fread(buf, 1, (size_t) size, f) == (size_t) size) {
            buf[size] = '\0';
            *len = (size_t) size;
            fclose(f);
            return buf;
        }
    }

    printf("Bail out! cannot read \"%s\", run from the root of the source\n",
           name);
    exit(1);
}


static int TAP_UNUSED
tap_done(void)
{
    printf("1..%u\n", tap_tests);

    return tap_failures ? 1 : 0;
}


#endif /* _TK_TAP_H_INCLUDED_ */
