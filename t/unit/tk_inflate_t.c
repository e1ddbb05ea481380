
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * The files of t/data/gzip, or of the folder in TECKEN_GZIP, are named after
 * what has to become of them: ok_ is inflated, rej_ refused, cap_ met by a
 * limit, either_ as said below.
 */


#include <dirent.h>
#include <sys/stat.h>

#include <zlib.h>

#include "tk_tap.h"
#include "tk_inflate.h"


#define MAX_OUTPUT  (32 * 1024 * 1024)
#define SPLIT_MAX   4096             /* longer ones: not at each byte */


typedef struct {
    int       rc;                    /* of the last call */
    int       code;
    size_t    len;
    uint32_t  crc;
    uint64_t  ignored;
} result_t;


typedef struct {
    size_t    len;
    size_t    size;
    uint8_t  *data;
} text_t;


static uint8_t  out[256 * 1024];


static void
feed(tk_inflate_t *z, result_t *r, text_t *text, const uint8_t *in, size_t len,
    size_t out_size)
{
    size_t  used, given;

    do {
        r->rc = tk_inflate_feed(z, in, len, &used, out, out_size, &given);

        if (used > len || given > out_size
            || (r->rc != TK_INFLATE_ERROR && given < out_size && used < len))
        {
            r->code = -1;
            return;
        }

        in += used;
        len -= used;

        r->len += given;
        r->crc = (uint32_t) crc32(r->crc, out, (uInt) given);

        if (text && text->len + given <= text->size) {
            memcpy(text->data + text->len, out, given);
            text->len += given;
        }

    } while (r->rc != TK_INFLATE_ERROR && (len || given == out_size));

    r->code = tk_inflate_code(z);
    r->ignored = tk_inflate_ignored(z);
}


/* in pieces of first bytes, then of piece bytes; 0: all that is left */

static result_t
inflate_in(tk_inflate_t *z, const uint8_t *in, size_t len, size_t first,
    size_t piece, size_t out_size)
{
    size_t    n;
    result_t  r;

    memset(&r, 0, sizeof(r));
    r.crc = (uint32_t) crc32(0, NULL, 0);

    tk_inflate_reset(z);

    n = first;

    do {
        if (n == 0 || n > len) {
            n = len;
        }

        feed(z, &r, NULL, in, n, out_size);

        in += n;
        len -= n;
        n = piece;

    } while (len && r.rc != TK_INFLATE_ERROR);

    return r;
}


/* bytes that were given before an error are not compared */

static int
same(const result_t *one, const result_t *two)
{
    return one->rc == two->rc && one->code == two->code
           && (one->rc == TK_INFLATE_ERROR
               || (one->len == two->len && one->crc == two->crc
                   && one->ignored == two->ignored));
}


/* what zlib says of the first member */

static size_t
first_member(const uint8_t *in, size_t len, uint32_t *crc)
{
    int       rc;
    size_t    total;
    z_stream  s;

    memset(&s, 0, sizeof(s));

    *crc = (uint32_t) crc32(0, NULL, 0);

    if (inflateInit2(&s, 16 + MAX_WBITS) != Z_OK) {
        return 0;
    }

    memcpy(&s.next_in, &in, sizeof(in));
    s.avail_in = (uInt) len;

    do {
        s.next_out = out;
        s.avail_out = sizeof(out);

        rc = inflate(&s, Z_NO_FLUSH);

        *crc = (uint32_t) crc32(*crc, out, (uInt) sizeof(out) - s.avail_out);
    } while (rc == Z_OK);

    total = rc == Z_STREAM_END ? s.total_out : 0;
    inflateEnd(&s);

    return total;
}


static void
test_verdict(const char *name, const uint8_t *in, size_t len,
    const result_t *r)
{
    size_t         n, used, given;
    uint32_t       crc;
    tk_inflate_t  *z;

    n = first_member(in, len, &crc);

    if (strncmp(name, "ok_", 3) == 0) {
        tap_ok(r->rc == TK_INFLATE_END && r->len == n && r->crc == crc && n
               && r->ignored == 0, "%s: as zlib has it", name);

    } else if (strcmp(name, "rej_empty_member.gz") == 0) {
        tap_ok(r->rc == TK_INFLATE_END && r->len == 0,
               "%s: nothing, for the caller to refuse", name);

    } else if (strcmp(name, "rej_gz_in_gz.gz") == 0) {
        z = tk_inflate_create(MAX_OUTPUT);
        tk_inflate_feed(z, in, len, &used, out, sizeof(out), &given);
        tk_inflate_destroy(z);

        tap_ok(r->rc == TK_INFLATE_END && given > 2 && out[0] == 0x1f
               && out[1] == 0x8b, "%s: one layer, the next for the caller "
               "to refuse", name);

    } else if (strncmp(name, "rej_trunc_", 10) == 0) {
        tap_ok(r->rc == TK_INFLATE_OK && r->code == 0, "%s: no end", name);

    } else if (strncmp(name, "rej_", 4) == 0) {
        tap_ok((r->rc == TK_INFLATE_ERROR && r->code == TK_INFLATE_BAD)
               || r->rc == TK_INFLATE_OK, "%s: refused", name);

    } else if (strcmp(name, "cap_empty_blocks_100k.gz") == 0) {
        tap_ok(r->rc == TK_INFLATE_END && r->len == n && r->crc == crc && n,
               "%s: only as much work as bytes", name);

    } else if (strncmp(name, "cap_", 4) == 0) {
        tap_ok(r->rc == TK_INFLATE_ERROR && r->code == TK_INFLATE_LIMIT
               && r->len <= MAX_OUTPUT, "%s: over a limit", name);

    } else if (strcmp(name, "either_two_members.gz") == 0) {
        tap_ok(r->rc == TK_INFLATE_END && r->len > n && n
               && r->ignored == 0, "%s: both", name);

    } else if (strcmp(name, "either_trailing_header_only.gz") == 0) {
        tap_ok(r->rc == TK_INFLATE_OK && r->len == n && n,
               "%s: a member that is cut", name);

    } else if (strncmp(name, "either_trailing_", 16) == 0) {
        tap_ok(r->rc == TK_INFLATE_END && r->len == n && r->crc == crc && n
               && r->ignored != 0, "%s: ignored", name);

    } else {
        tap_ok(0, "%s: no verdict is known", name);
    }
}


static void
test_file(tk_inflate_t *z, const char *folder, const char *name)
{
    char       path[4096];
    size_t     i, len, failed;
    uint8_t   *in;
    result_t   whole, split;

    static const struct {
        size_t  first, piece, out_size;
    } ways[] = {
        { 1, 1, sizeof(out) },
        { 1, 1, 1 },
        { 0, 0, 1 },
        { 0, 0, 257 },
        { 3, 7, 32768 },
        { 10, 1, 65536 },
        { 9, 4096, 4096 },
        { 0, 0, 65537 }
    };

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    in = (uint8_t *) tap_read_file(path, &len);

    whole = inflate_in(z, in, len, 0, 0, sizeof(out));
    test_verdict(name, in, len, &whole);

    failed = 0;

    for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {

        /* millions of calls tell no more */

        if (ways[i].out_size < 257 && whole.len > 1024 * 1024) {
            continue;
        }

        split = inflate_in(z, in, len, ways[i].first, ways[i].piece,
                           ways[i].out_size);
        failed += !same(&whole, &split);
    }

    for (i = 1; i < len && len <= SPLIT_MAX; i++) {
        split = inflate_in(z, in, len, i, 0, sizeof(out));
        failed += !same(&whole, &split);
    }

    for (i = 0; i < 20; i++) {
        split = inflate_in(z, in, len, (size_t) tap_random() % (len + 1),
                           1 + (size_t) tap_random() % 5000,
                           257 + (size_t) tap_random() % 40000);
        failed += !same(&whole, &split);
    }

    tap_is_int((int64_t) failed, 0, "the same in any pieces");

    free(in);
}


static int
is_gz(const struct dirent *entry)
{
    const char  *end;

    end = strrchr(entry->d_name, '.');

    return end && strcmp(end, ".gz") == 0;
}


static void
test_files(void)
{
    int              i, n;
    const char      *folder;
    tk_inflate_t    *z;
    struct dirent  **entries;

    folder = getenv("TECKEN_GZIP");

    if (folder == NULL) {
        folder = "t/data/gzip";
    }

    n = scandir(folder, &entries, is_gz, alphasort);
    tap_ok(n > 0, "files in %s", folder);

    z = tk_inflate_create(MAX_OUTPUT);

    for (i = 0; i < n; i++) {
        test_file(z, folder, entries[i]->d_name);
        free(entries[i]);
    }

    tk_inflate_destroy(z);

    if (n > 0) {
        free(entries);
    }
}


/* appends a member with so many bytes of value, or of noise if it is -1 */

static void
add_member(text_t *t, size_t len, int value)
{
    size_t     n;
    z_stream   s;

    static uint8_t  chunk[65536];

    memset(&s, 0, sizeof(s));
    deflateInit2(&s, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);

    s.next_out = t->data + t->len;
    s.avail_out = (uInt) (t->size - t->len);

    do {
        n = len < sizeof(chunk) ? len : sizeof(chunk);

        if (value == -1) {
            tap_random_bytes(chunk, n);

        } else {
            memset(chunk, value, n);
        }

        s.next_in = chunk;
        s.avail_in = (uInt) n;
        len -= n;

        deflate(&s, len ? Z_NO_FLUSH : Z_FINISH);
    } while (len);

    t->len += s.total_out;

    deflateEnd(&s);
}


static void
test_limits(void)
{
    size_t         i;
    uint64_t       max;
    text_t         t;
    result_t       r;
    tk_inflate_t  *z;

    t.size = 4 * 1024 * 1024;
    t.data = malloc(t.size);

    /* output: the last byte that is allowed, and one more */

    for (i = 0; i < 4; i++) {
        t.len = 0;
        add_member(&t, 100000, 'a');
        add_member(&t, i / 2 * 50000, 'b');

        max = 100000 + i / 2 * 50000;

        z = tk_inflate_create(max - i % 2);
        r = inflate_in(z, t.data, t.len, 0, 0, sizeof(out));
        tap_ok(i % 2 ? r.rc == TK_INFLATE_ERROR && r.code == TK_INFLATE_LIMIT
                       && r.len <= max - 1
                     : r.rc == TK_INFLATE_END && r.len == max,
               "%llu bytes, at most %llu", (unsigned long long) max,
               (unsigned long long) max - i % 2);

        r = inflate_in(z, t.data, t.len, 1, 1, 1000);
        tap_ok(i % 2 ? r.rc == TK_INFLATE_ERROR && r.code == TK_INFLATE_LIMIT
                     : r.rc == TK_INFLATE_END && r.len == max,
               "the same byte by byte");
        tk_inflate_destroy(z);
    }

    /* a bomb */

    t.len = 0;
    add_member(&t, 256 * 1024 * 1024, 0);
    z = tk_inflate_create(MAX_OUTPUT);
    r = inflate_in(z, t.data, t.len, 0, 0, sizeof(out));
    tap_ok(r.code == TK_INFLATE_LIMIT && r.len == MAX_OUTPUT,
           "256 MB of zeros: stopped at 32 MB");

    /* members */

    t.len = 0;

    for (i = 0; i < TK_INFLATE_MAX_MEMBERS; i++) {
        add_member(&t, 1000, 'c');
    }

    r = inflate_in(z, t.data, t.len, 0, 0, sizeof(out));
    tap_ok(r.rc == TK_INFLATE_END && r.len == 64000, "64 members");

    add_member(&t, 1, 'c');
    r = inflate_in(z, t.data, t.len, 0, 0, sizeof(out));
    tap_ok(r.rc == TK_INFLATE_ERROR && r.code == TK_INFLATE_LIMIT,
           "one more");

    t.len = 0;

    for (i = 0; i < 10000; i++) {
        add_member(&t, 0, 0);
    }

    r = inflate_in(z, t.data, t.len, 0, 0, sizeof(out));
    tap_ok(r.rc == TK_INFLATE_ERROR && r.code == TK_INFLATE_LIMIT
           && r.len == 0, "10,000 empty members");

    /* header */

    memcpy(t.data, "\x1f\x8b\x08\x08\0\0\0\0\0\x03", 10);
    memset(t.data + 10, 'n', 1024 * 1024);
    t.data[10 + 1024 * 1024] = '\0';
    memcpy(t.data + 11 + 1024 * 1024, "\x03\0\0\0\0\0\0\0\0\0", 10);

    r = inflate_in(z, t.data, 21 + 1024 * 1024, 0, 0, sizeof(out));
    tap_ok(r.code == TK_INFLATE_LIMIT, "a name of 1 MB");

    memmove(t.data + 10 + 100000, t.data + 10 + 1024 * 1024, 11);

    r = inflate_in(z, t.data, 21 + 100000, 0, 0, sizeof(out));
    tap_ok(r.rc == TK_INFLATE_END && r.len == 0, "a name of 100 KB");

    tk_inflate_destroy(z);
    free(t.data);
}


/* over 4 GiB: libraries count in 32 bits, ISIZE is modulo 2^32 */

static void
test_size(void)
{
    size_t         i;
    uint8_t       *zeros, block[16384], end[10];
    uint32_t       crc, all, size;
    result_t       r;
    z_stream       s;
    tk_inflate_t  *z;

    const size_t    len = 8 * 1024 * 1024;
    const unsigned  n = 520;

    zeros = calloc(1, len);
    crc = (uint32_t) crc32(0, zeros, (uInt) len);
    all = (uint32_t) crc32(0, NULL, 0);

    memset(&s, 0, sizeof(s));
    deflateInit2(&s, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);

    s.next_in = zeros;
    s.avail_in = (uInt) len;
    s.next_out = block;
    s.avail_out = sizeof(block);

    /* it ends at a byte and what follows needs nothing of it */

    deflate(&s, Z_FULL_FLUSH);
    i = s.total_out;
    deflateEnd(&s);

    tap_ok(s.avail_in == 0 && s.avail_out > 0, "8 MiB in a block");

    z = tk_inflate_create(0);
    memset(&r, 0, sizeof(r));

    feed(z, &r, NULL, (uint8_t *) "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10,
         sizeof(out));

    for (size = 0; size < n; size++) {
        feed(z, &r, NULL, block, i, sizeof(out));
        all = (uint32_t) crc32_combine(all, crc, (z_off_t) len);
    }

    size = (uint32_t) (n * (uint64_t) len);

    memcpy(end, "\x03", 2);

    for (i = 0; i < 4; i++) {
        end[2 + i] = (uint8_t) (all >> 8 * i);
        end[6 + i] = (uint8_t) (size >> 8 * i);
    }

    feed(z, &r, NULL, end, sizeof(end), sizeof(out));

    tap_ok(r.rc == TK_INFLATE_END
           && tk_inflate_total(z) == n * (uint64_t) len,
           "520 of them in a member");

    tk_inflate_destroy(z);
    free(zeros);
}


static void
test_real(void)
{
    size_t         n;
    text_t         t, text;
    result_t       r;
    tk_inflate_t  *z;

    t.size = 8 * 1024 * 1024;
    t.data = malloc(t.size);
    t.len = 0;

    /* stored blocks, text, runs */

    add_member(&t, 300000, -1);
    n = t.len;
    add_member(&t, 300000, 'z');

    text.size = 700000;
    text.data = malloc(text.size);
    text.len = 0;

    z = tk_inflate_create(0);
    memset(&r, 0, sizeof(r));

    feed(z, &r, &text, t.data, n, 1000);
    tap_ok(r.rc == TK_INFLATE_END && text.len == 300000, "the first member");

    feed(z, &r, &text, t.data + n, 2, 1000);
    tap_ok(r.rc == TK_INFLATE_END, "half a magic is no member yet");

    feed(z, &r, &text, t.data + n + 2, 1, 1000);
    tap_ok(r.rc == TK_INFLATE_OK, "a whole one is");

    feed(z, &r, &text, t.data + n + 3, t.len - n - 3, 1000);
    tap_ok(r.rc == TK_INFLATE_END && text.len == 600000
           && tk_inflate_total(z) == 600000, "and its text follows");
    tap_ok(text.data[300000] == 'z' && text.data[599999] == 'z',
           "which is right");

    tap_is_str(tk_inflate_error(z), strlen(tk_inflate_error(z)), "",
               "no error");

    feed(z, &r, &text, (uint8_t *) "\x1f\x8b\x08\xff", 4, 1000);
    feed(z, &r, &text, (uint8_t *) "\0\0\0\0\0\0", 6, 1000);
    tap_ok(r.rc == TK_INFLATE_ERROR && r.code == TK_INFLATE_BAD,
           "a bad one after it");
    tap_is_str(tk_inflate_error(z), strlen(tk_inflate_error(z)),
               "reserved flags in a gzip header", "says why");

    feed(z, &r, &text, t.data, t.len, 1000);
    tap_ok(r.rc == TK_INFLATE_ERROR, "once failed, it stays so");

    tk_inflate_reset(z);
    memset(&r, 0, sizeof(r));
    feed(z, &r, NULL, t.data, t.len, sizeof(out));
    tap_ok(r.rc == TK_INFLATE_END && r.len == 600000, "until it is reset");

    tk_inflate_destroy(z);
    free(t.data);
    free(text.data);
}


int
main(void)
{
    printf("# with %s\n", tk_inflate_library());

    test_files();
    test_limits();
    test_real();
    test_size();

    return tap_done();
}
