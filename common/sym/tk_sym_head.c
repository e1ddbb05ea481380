
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_json.h"
#include "tk_sym_id.h"
#include "tk_sym_path.h"
#include "tk_sym_record.h"
#include "tk_uri.h"


/* What a file begins with: MODULE, INFO, FILE. */


/* symbolic looks for MODULE in so many bytes */

#define TK_SYM_HEADER  320


static int tk_sym_module_id(tk_symcache_build_t *b, const uint8_t *p,
    size_t len);
static int tk_sym_arch(const uint8_t *p, size_t len);


/* MODULE os arch id [name] */

int
tk_sym_module(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    int             i;
    size_t          len;
    uint32_t        u;
    const uint8_t  *start, *end, *field[3];
    size_t          size[3];

    if (!tk_sym_is(p, last, "MODULE ")) {
        return tk_sym_fail(b, TK_SYM_EMALFORMED, "no MODULE record");
    }

    end = last;

    if (last - p > TK_SYM_HEADER) {
        last = p + TK_SYM_HEADER;
    }

    for (start = p; start < last; /* void */ ) {
        field[0] = start;
        u = tk_utf8_decode(&start, end);

        if (u == 0xffffffff) {
            return tk_sym_fail(b, TK_SYM_EMALFORMED,
                               "line 1: MODULE record is not UTF-8");
        }

        if (start > last) {
            last = field[0];
        }
    }

    p += sizeof("MODULE") - 1;

    for (i = 0; i < 3; i++) {
        if (tk_sym_gap(&p, last) != 0) {
            return tk_sym_fail(b, TK_SYM_EMALFORMED,
                               "line 1: malformed MODULE record");
        }

        field[i] = p;

        while (p < last && *p != ' ' && *p != '\t' && *p != '\r') {
            p++;
        }

        size[i] = (size_t) (p - field[i]);
    }

    if (tk_sym_module_id(b, field[2], size[2]) != 0) {
        return -1;
    }

    if (!tk_sym_arch(field[1], size[1])) {
        return tk_sym_fail(b, TK_SYM_EMALFORMED,
                           "line 1: unknown architecture");
    }

    (void) tk_sym_gap(&p, last);
    (void) tk_sym_trim(&p, &last);
    len = (size_t) (last - p);

    b->state = TK_SYM_HEAD;

    if (tk_sym_text(b, field[0], size[0], &b->os) != 0
        || tk_sym_text(b, field[1], size[1], &b->arch) != 0)
    {
        return -1;
    }

    return tk_sym_text(b, p, len, &b->module_name);
}


static int
tk_sym_module_id(tk_symcache_build_t *b, const uint8_t *p, size_t len)
{
    uint8_t      text[TK_SYM_ID_LEN];
    tk_sym_id_t  id, wanted;

    if (tk_sym_id_parse(&id, p, len) != 0) {
        return tk_sym_fail(b, TK_SYM_EMALFORMED, "line 1: bad debug id");
    }

    if (b->conf.debug_id.len
        && (tk_sym_id_parse(&wanted, b->conf.debug_id.data,
                            b->conf.debug_id.len) != 0
            || !tk_sym_id_equal(&id, &wanted)))
    {
        return tk_sym_fail(b, TK_SYM_EID, "line 1: another debug id");
    }

    return tk_sym_text(b, text, tk_sym_id_text(text, &id), &b->debug_id);
}


/* those that symbolic knows */

static int
tk_sym_arch(const uint8_t *p, size_t len)
{
    size_t       i, k;
    const char  *name;

    static const char *const  archs[] = {
        "x86_64", "x86", "arm64", "arm", "i386", "amd64", "x86_64h",
        "x86-64", "arm-64", "unknown", "x86_unknown", "x86_64_unknown",
        "arm64v8", "arm64e", "arm64_unknown", "armv5", "armv6", "armv6m",
        "armv7", "armv7f", "armv7s", "armv7k", "armv7m", "armv7em",
        "arm_unknown", "arm64_32", "arm64_32v8", "arm64_32_v8",
        "arm64_32_unknown", "ppc", "ppc64", "mips", "mips64", "wasm32"
    };

    for (i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
        name = archs[i];

        if (strlen(name) != len) {
            continue;
        }

        for (k = 0; k < len; k++) {
            if (name[k] != (p[k] >= 'A' && p[k] <= 'Z' ? p[k] | 0x20 : p[k]))
            {
                break;
            }
        }

        if (k == len) {
            return 1;
        }
    }

    return 0;
}


/*
 * Eliot's module name: the fourth word of the first INFO before FILE, FUNC
 * and PUBLIC, if that has four words.
 */

int
tk_sym_info(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    unsigned        words;
    const uint8_t  *word;

    if (!tk_sym_is(p, last, "INFO")) {
        b->named = tk_sym_is(p, last, "FILE") || tk_sym_is(p, last, "FUNC")
                   || tk_sym_is(p, last, "PUBLIC");
        return 0;
    }

    b->named = 1;
    words = 1;

    for (word = p; p < last; p++) {
        if (*p == ' ') {
            words++;
            word = p + 1;
        }
    }

    if (words != 4 || tk_sym_trim(&word, &last) != 0) {
        return 0;
    }

    return tk_sym_text(b, word, (size_t) (last - word), &b->module);
}


/* FILE number [name] */

int
tk_sym_file(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    size_t               len;
    uint8_t             *path;
    uint64_t             n;
    const uint8_t       *start;
    tk_symcache_text_t  *text;

    p += sizeof("FILE") - 1;

    start = p;

    if (tk_sym_trim(&start, &last) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_dec(&p, last, &n) != 0
        || (p < last && tk_sym_gap(&p, last) != 0))
    {
        /* symbolic passes over them, strict or not */

        b->stat.dropped++;
        return 0;
    }

    b->stat.files++;
    len = (size_t) (last - p);

    if (len == 0) {
        return tk_sym_map_set(b, &b->files, n, 0);
    }

    if (tk_sym_vec_room(b, &b->scratch, len, 1) != 0
        || tk_sym_vec_room(b, &b->paths, 1, sizeof(*text)) != 0)
    {
        return -1;
    }

    path = b->scratch.data;
    text = tk_sym_at(tk_symcache_text_t, &b->paths, b->paths.n);

    if (tk_sym_text(b, path, tk_sym_path_clean(path, p, len), text) != 0) {
        return -1;
    }

    /* none in answers when nothing is left of it */

    b->paths.n += (text->size != 0);

    return tk_sym_map_set(b, &b->files, n,
                          text->size ? (uint32_t) b->paths.n : 0);
}
