
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <sys/mman.h>

#include <zlib.h>

#include "tk_fuzz.h"
#include "tk_inflate.h"


#define MAX_OUTPUT  (256 * 1024)
#define PAGE        4096


typedef struct {
    int       rc;
    size_t    len;
    uint64_t  ignored;
    uint8_t   data[MAX_OUTPUT + 1];
} result_t;


static result_t  one, two, ref;


/*
 * A library in assembly is not seen by a sanitizer: blocks that it reads and
 * writes end at a page that cannot be touched.
 */

static uint8_t *
fence(size_t size)
{
    size_t    room;
    uint8_t  *p;

    room = (size + PAGE - 1) / PAGE * PAGE;

    p = mmap(NULL, room + 2 * PAGE, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1,
             0);
    must(p != MAP_FAILED);
    must(mprotect(p + PAGE, room, PROT_READ|PROT_WRITE) == 0);

    return p + PAGE + room - size;
}


static void
run(result_t *r, tk_inflate_t *z, const uint8_t *data, size_t size,
    const uint8_t *cut, size_t ncut)
{
    size_t   n, len, used, given, out_size, i;

    static uint8_t  *in, *out;

    if (in == NULL) {
        in = fence(64 * 1024);
        out = fence(64 * 1024);
    }

    tk_inflate_reset(z);

    r->rc = TK_INFLATE_OK;
    r->len = 0;
    i = 0;

    do {
        n = size;
        out_size = 64 * 1024;

        if (ncut) {
            n = 1 + (cut[i % ncut] & 31);
            out_size = (size_t) 1 << (cut[i % ncut] >> 5) * 2;
            i++;
        }

        if (n > size) {
            n = size;
        }

        size -= n;

        /* both at the fence */

        memcpy(in + 64 * 1024 - n, data, n);
        data += n;

        len = n;

        do {
            r->rc = tk_inflate_feed(z, in + 64 * 1024 - len, len, &used,
                                    out + 64 * 1024 - out_size, out_size,
                                    &given);

            must(used <= len && given <= out_size);
            must(r->rc == TK_INFLATE_ERROR || given == out_size
                 || used == len);
            must(r->len + given <= MAX_OUTPUT);

            memcpy(r->data + r->len, out + 64 * 1024 - out_size, given);

            r->len += given;
            len -= used;

        } while (r->rc != TK_INFLATE_ERROR && (len || given == out_size));

    } while (size && r->rc != TK_INFLATE_ERROR);

    r->ignored = tk_inflate_ignored(z);

    must(r->len == tk_inflate_total(z));
    must((r->rc == TK_INFLATE_ERROR) == (tk_inflate_code(z) != 0));
    must((r->rc == TK_INFLATE_ERROR) == (*tk_inflate_error(z) != '\0'));
}


/* zlib's own reader of gzip; NULL or what it has against the input */

static const char *
reference(result_t *r, const uint8_t *data, size_t size)
{
    int          rc;
    unsigned     members;
    z_stream     s;
    const char  *error;

    memset(&s, 0, sizeof(s));
    must(inflateInit2(&s, 16 + MAX_WBITS) == Z_OK);

    memcpy(&s.next_in, &data, sizeof(data));
    s.avail_in = (uInt) size;
    s.next_out = r->data;
    s.avail_out = MAX_OUTPUT + 1;

    members = 0;
    error = NULL;
    r->ignored = 0;

    do {
        rc = inflate(&s, Z_NO_FLUSH);

        if (++members > TK_INFLATE_MAX_MEMBERS) {
            error = "members";
            break;
        }

        if (rc != Z_STREAM_END) {
            error = s.msg ? s.msg : s.avail_out ? "cut" : "output";
            break;
        }

        if (s.avail_in < 3 || memcmp(s.next_in, "\x1f\x8b\x08", 3) != 0) {
            break;
        }

        (void) inflateReset(&s);
    } while (1);

    r->len = MAX_OUTPUT + 1 - s.avail_out;
    r->ignored = s.avail_in;

    if (error == NULL && r->len > MAX_OUTPUT) {
        error = "output";
    }

    (void) inflateEnd(&s);

    return error;
}


/* Huffman codes that ISA-L takes as long as no missing one is met */

static int
is_incomplete_code(const char *error)
{
    size_t  i;

    static const char *const  errors[] = {
        "invalid code lengths set",
        "invalid literal/lengths set",
        "invalid distances set",
        "too many length or distance symbols",
    };

    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strcmp(error, errors[i]) == 0) {
            return 1;
        }
    }

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t       ncut;
    const char  *error;

    static tk_inflate_t  *z;

    /* the last bytes say how the others are cut */

    if (size < 8 || size > 32 * 1024) {
        return 0;
    }

    ncut = 8;
    size -= ncut;

    if (z == NULL) {
        z = tk_inflate_create(MAX_OUTPUT);
        must(z != NULL);
    }

    run(&one, z, data, size, NULL, 0);
    run(&two, z, data, size, data + size, ncut);

    must(one.rc == two.rc);

    if (one.rc != TK_INFLATE_ERROR) {
        must(one.len == two.len && one.ignored == two.ignored);
        must(memcmp(one.data, two.data, one.len) == 0);
    }

    error = reference(&ref, data, size);

    if (error == NULL) {
        must(one.rc == TK_INFLATE_END);
        must(one.len == ref.len && one.ignored == ref.ignored);
        must(memcmp(one.data, ref.data, one.len) == 0);

    } else {
        must(one.rc != TK_INFLATE_END || is_incomplete_code(error));
    }

    return 0;
}
