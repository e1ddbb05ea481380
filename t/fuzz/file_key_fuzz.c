
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_fuzz.h"
#include "tk_file_key.h"


static int
ours(const uint8_t *name, size_t len)
{
    return len >= 7 && memcmp(name, ".tecken", 7) == 0;
}


/* a path below the root whose components give the key back */

static void
key(const uint8_t *data, size_t size)
{
    size_t    n, m, len;
    ssize_t   rc;
    uint8_t  *path, *dec, *p, *last, *end;

    n = tk_file_key_encode(NULL, data, size);

    if (n == 0) {
        must(size > TK_FILE_NAME_MAX / 3);
        return;
    }

    must(n >= size && n <= tk_file_key_max(size));

    path = fuzz_alloc(n);
    dec = fuzz_alloc(n);

    must(tk_file_key_encode(path, data, size) == n);

    m = 0;
    last = path + n;

    for (p = path; /* void */ ; p = end + 1) {
        end = memchr(p, '/', (size_t) (last - p));
        end = end ? end : last;
        len = (size_t) (end - p);

        must(len >= 1 && len <= TK_FILE_NAME_MAX);
        must(!ours(p, len));
        must(!(len == 1 && p[0] == '.'));
        must(!(len == 2 && p[0] == '.' && p[1] == '.'));
        must(memchr(p, '\0', len) == NULL);

        rc = tk_file_name_decode(dec + m, p, len);
        must(rc >= 0);
        m += (size_t) rc;

        if (end == last) {
            break;
        }

        dec[m++] = '/';
    }

    must(m == size && memcmp(dec, data, size) == 0);

    free(path);
    free(dec);
}


/* a name that stands for a component is the one made of it */

static void
name(const uint8_t *data, size_t size)
{
    ssize_t   n;
    uint8_t  *dec, *enc;

    dec = fuzz_alloc(size);

    n = tk_file_name_decode(dec, data, size);

    if (n >= 0) {
        must(size <= TK_FILE_NAME_MAX && (size_t) n <= size);
        must(!ours(data, size));

        enc = fuzz_alloc(size);
        must(tk_file_key_encode(NULL, dec, (size_t) n) == size);
        must(tk_file_key_encode(enc, dec, (size_t) n) == size);
        must(memcmp(enc, data, size) == 0);
        free(enc);
    }

    free(dec);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    key(data, size);
    name(data, size);

    return 0;
}
