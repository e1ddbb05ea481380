
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym_path.h"
#include "tk_tap.h"


static void
test_paths(void)
{
    size_t   i, n, len;
    char     name[64];
    uint8_t *heap;

    static const struct {
        const char  *path;
        const char  *want;
    } cases[] = {
        { "a.c", "a.c" },
        { "./time/x.c", "time/x.c" },
        { "/b/./x/../y/a.c", "/b/y/a.c" },
        { "a//b", "a/b" },
        { "a///b", "a/b" },
        { "a//b/c", "a//b/c" },
        { "/", "/" },
        { "//", "/" },
        { "/a", "/a" },
        { "a/", "a" },
        { "a/b//", "a/b" },
        { "..", ".." },
        { "../a", "../a" },
        { "../../blah/x", "../../blah/x" },
        { "foo/../../blah/x", "../blah/x" },
        { "foo/bar/baz/../blah/x", "foo/bar/blah/x" },
        { "foo/bar/baz/../../../blah/x", "blah/x" },
        { "foo/bar/baz/../../../../blah/x", "../blah/x" },
        { "foo/bar/baz/./blah/x", "foo/bar/baz/blah/x" },
        { "/foo/../bar", "bar" },
        { ".", "" },
        { "./.", "" },
        { "x/.", "x" },
        { "x/..", "" },
        { "c:\\build\\src\\..\\obj\\a.cpp", "c:\\build\\obj\\a.cpp" },
        { "c:/build/src/../obj/a.cpp", "c:\\build\\obj\\a.cpp" },
        { "C:\\x.c", "C:\\x.c" },
        { "foo\\bar\\baz/../blah/x", "foo\\bar\\blah\\x" },
        { "\\\\server\\share\\.\\x.c", "\\\\server\\share\\x.c" },
        { "\\x.c", "\\x.c" },
        { "src/<stdin>", "<stdin>" },
        { "<built-in>", "<built-in>" },
        { "hg:hg.mozilla.org/mozilla-central:dom/a.cpp:0123",
          "hg:hg.mozilla.org/mozilla-central:dom/a.cpp:0123" },
        { "git:github.com/rust-lang/rust:library/x.rs:0123",
          "git:github.com/rust-lang/rust:library/x.rs:0123" },
        { "s3:gecko-generated-sources:0123/ipc/x.cpp:",
          "s3:gecko-generated-sources:0123/ipc/x.cpp:" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        len = strlen(cases[i].path);
        heap = malloc(len ? len : 1);

        n = tk_sym_path_clean(heap, (const uint8_t *) cases[i].path, len);
        tap_is_str(heap, n, cases[i].want, cases[i].path);

        memcpy(heap, cases[i].path, len);
        n = tk_sym_path_clean(heap, heap, len);
        snprintf(name, sizeof(name), "in place: %s", cases[i].path);
        tap_is_str(heap, n, cases[i].want, name);

        free(heap);
    }

    tap_is_int((int64_t) tk_sym_path_clean(NULL, NULL, 0), 0, "nothing");
}


/* never longer, and nothing more to clean unless it leaves its root */

static void
test_random(void)
{
    size_t    i, k, n, m, len;
    uint8_t  *heap, again[16], path[16];
    unsigned  longer, unstable;

    static const char  alphabet[] = "../a\\:";

    longer = 0;
    unstable = 0;

    for (i = 0; i < 200000; i++) {
        len = tap_random() % sizeof(path);

        for (k = 0; k < len; k++) {
            path[k] = (uint8_t) alphabet[tap_random() % 6];
        }

        heap = malloc(len ? len : 1);
        n = tk_sym_path_clean(heap, path, len);
        longer += (n > len);

        m = tk_sym_path_clean(again, heap, n);
        unstable += (m > n);
        free(heap);
    }

    tap_is_int(longer, 0, "no path grows");
    tap_is_int(unstable, 0, "nor does a clean one");
}


int
main(void)
{
    test_paths();
    test_random();

    return tap_done();
}
