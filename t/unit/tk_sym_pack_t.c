
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym_pack.h"
#include "tk_tap.h"


#define ROOM  64


static uint8_t  packed[16384], again[16384], name[8192 + ROOM];


static size_t
random_name(void)
{
    size_t       n, len, k;
    const char  *s;

    static const char *const  parts[] = {
        "mozilla::dom::", "nsTArray<", "RefPtr<mozilla::dom::Element>",
        "const&", ", ", "unsigned long", "(", ")", "operator()", "~", ">",
        "std::unique_ptr<", "js::frontend::PoolGeometryProvider*", "$_0::",
        "{{closure}}", "core::ptr::drop_in_place<", "Frame", "_", "x", " "
    };

    n = 0;
    len = tap_random() % (tap_random() % 100 ? 200 : 8000);

    while (n < len) {
        s = parts[tap_random() % 20];

        if (tap_random() % 10 == 0) {
            for (k = tap_random() % 20; k && n < len; k--) {
                name[n++] = (uint8_t) (0x20 + tap_random() % 95);
            }
        }

        for ( /* void */ ; *s && n < len; s++) {
            name[n++] = (uint8_t) *s;
        }
    }

    memset(name + n, 0, ROOM);

    return n;
}


static void
test_round_trips(void)
{
    size_t          i, len, size, raw, all, nwords;
    uint8_t        *end, *heap, *src;
    unsigned        wrong, large, bytes, other;
    const uint8_t  *words;
    tk_sym_pack_t  *pack, *narrow;

    pack = tk_sym_pack_create(0);
    narrow = tk_sym_pack_create(1);
    other = 0;
    wrong = 0;
    large = 0;
    bytes = 0;
    raw = 0;
    all = 0;

    for (i = 0; i < 20000; i++) {
        len = random_name();
        end = tk_sym_pack(pack, packed, name, len);
        size = (size_t) (end - packed);

        end = tk_sym_pack(narrow, again, name, len);
        other += ((size_t) (end - again) != size
                  || memcmp(again, packed, size) != 0);

        large += (size > len);
        raw += len;
        all += size;

        words = tk_sym_pack_words(pack, &nwords);

        /* of their sizes to the byte */

        heap = malloc(len ? len : 1);
        src = malloc(size ? size : 1);
        memcpy(src, packed, size);

        wrong += (tk_sym_unpack(heap, len, src, src + size, words, nwords)
                  != 0 || memcmp(heap, name, len) != 0);

        bytes += (size && tk_sym_unpack(heap, len, src, src + size - 1,
                                        words, nwords) == 0);
        free(heap);
        free(src);
    }

    tap_is_int(wrong, 0, "what was packed comes out again");
    tap_is_int(bytes, 0, "and not without the last byte");
    tap_is_int(large, 0, "nothing grows");
    tap_is_int(other, 0, "the same without AVX2");
    tap_ok(all < raw / 3 * 2, "%zu of %zu bytes are left", all, raw);

    free(narrow);
    free(pack);
}


/* whatever the bytes, nothing outside is read or written */

static void
test_damaged(void)
{
    size_t    i, len, size, nwords;
    uint8_t  *src, *dst, *words;
    unsigned  done;

    done = 0;

    for (i = 0; i < 200000; i++) {
        len = tap_random() % 40;
        size = tap_random() % 12;
        nwords = tap_random() % 300;

        src = malloc(size ? size : 1);
        dst = malloc(len ? len : 1);
        words = malloc(nwords ? nwords : 1);
        memset(words, 'w', nwords);
        tap_random_bytes(src, size);

        if (size > 2 && i % 2) {
            src[0] = 0x80;
            src[1] = 0;
        }

        done += (tk_sym_unpack(dst, len, src, src + size, words, nwords) == 0);

        free(src);
        free(dst);
        free(words);
    }

    tap_ok(done > 1000 && done < 190000, "damaged names");
}


int
main(void)
{
    test_round_trips();
    test_damaged();

    return tap_done();
}
