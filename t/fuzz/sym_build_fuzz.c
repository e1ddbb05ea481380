
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_fuzz.h"
#include "tk_symcache_format.h"
#include "../unit/tk_symcache_tap.h"


#define ADDRS  96
#define HEAD  "MODULE Linux x86_64 0123456789ABCDEF0123456789ABCDEF1 m\n"


static int
ascend(const void *one, const void *two)
{
    uint64_t  a, b;

    a = *(const uint64_t *) one;
    b = *(const uint64_t *) two;

    return a < b ? -1 : a > b;
}


/* where functions, lines and calls start and end, and what is beside */

static size_t
addresses(uint64_t *addrs, const uint8_t *p, size_t len)
{
    int       digit;
    size_t    i, n;
    uint64_t  v, last;
    unsigned  digits;

    n = 0;
    v = 0;
    last = 0;
    digits = 0;

    for (i = 0; i <= len; i++) {
        digit = i == len ? -1
                : p[i] >= '0' && p[i] <= '9' ? p[i] - '0'
                : (p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'f'
                  ? (p[i] | 0x20) - 'a' + 10 : -1;

        if (digit >= 0) {
            v = v << 4 | (unsigned) digit;
            digits++;
            continue;
        }

        if (digits && n + 4 <= ADDRS) {
            addrs[n++] = v - 1;
            addrs[n++] = v;
            addrs[n++] = last + v - 1;
            addrs[n++] = last + v;
            last = v;
        }

        v = 0;
        digits = 0;
    }

    qsort(addrs, n, sizeof(addrs[0]), ascend);

    return n;
}


static void
is_json(const uint8_t *p, size_t len)
{
    for ( /* void */ ; len; len--, p++) {
        must(*p >= 0x20 && *p < 0x7f && *p != '"');

        if (*p == '\\') {
            must(len-- > 1 && *++p >= 0x20);
        }
    }
}


static void
look(const tk_symcache_t *sc, const tk_symcache_frame_t *frame)
{
    size_t    len;
    uint8_t  *name, *more;

    len = tk_symcache_function(sc, frame->function, NULL, 0);
    must(len <= sc->name_max);

    name = fuzz_alloc(len);
    must(tk_symcache_function(sc, frame->function, name, len) == len);
    is_json(name, len);

    more = fuzz_alloc(len + 16);
    must(tk_symcache_function(sc, frame->function, more, len + 16) == len);
    must(memcmp(name, more, len) == 0);
    free(more);
    free(name);

    must(frame->file.len == 0
         || (frame->file.data >= sc->map
             && frame->file.data + frame->file.len <= sc->map + sc->size));
    is_json(frame->file.data, frame->file.len);
}


static int
same(const tk_symcache_frame_t *a, const tk_symcache_frame_t *b)
{
    return a->function == b->function && a->line == b->line
           && a->entry == b->entry && a->file.data == b->file.data
           && a->file.len == b->file.len;
}


static void
check(const built_t *o, unsigned strict, const uint8_t *text, size_t len)
{
    size_t                     i, k, n, all, naddrs;
    uint32_t                   counts[ADDRS];
    uint64_t                   addrs[ADDRS];
    const char                *reason;
    tk_symcache_t              sc;
    const tk_symcache_frame_t  *frame;

    static tk_symcache_frame_t  one[TK_SYMCACHE_FRAMES];
    static tk_symcache_frame_t  frames[ADDRS * TK_SYMCACHE_FRAMES];

    must(tk_symcache_open(&sc, o->data, o->size, &reason) == 0);
    must(tk_symcache_verify(&sc, &reason) == 0);

    must(sc.strict == strict && sc.dropped == o->stat.dropped
         && sc.functions == o->stat.functions
         && sc.publics == o->stat.publics && sc.lines == o->stat.lines
         && sc.inlines == o->stat.inlines);

    is_json(sc.module.data, sc.module.len);
    is_json(sc.name.data, sc.name.len);

    naddrs = addresses(addrs, text, len);
    n = tk_symcache_lookup_many(&sc, addrs, naddrs, frames,
                                  sizeof(frames) / sizeof(frames[0]), counts);
    must(n == naddrs);

    for (all = 0, i = 0; i < naddrs; i++, all += n) {
        n = tk_symcache_lookup(&sc, addrs[i], one, TK_SYMCACHE_FRAMES);
        must(n == counts[i]);
        must(n == 0 || addrs[i] <= UINT32_MAX);

        for (k = 0; k < n; k++) {
            frame = &frames[all + k];
            must(same(frame, &one[k]) && frame->entry == frames[all].entry);
            look(&sc, frame);
        }

        /* without room, the outer ones are left */

        if (n > 1) {
            must(tk_symcache_lookup(&sc, addrs[i], one, n - 1) == n - 1);
            must(same(&one[0], &frames[all + 1]));
        }
    }
}


/* what strict accepts is built as it is otherwise */

static void
compare_modes(const built_t *loose, const built_t *strict)
{
    size_t                after;
    tk_symcache_header_t  a, b;

    if (strict->rc != TK_SYM_OK) {
        must(loose->rc != TK_SYM_OK || loose->stat.dropped);
        return;
    }

    must(loose->rc == TK_SYM_OK && loose->size == strict->size);

    memcpy(&a, loose->data, sizeof(a));
    memcpy(&b, strict->data, sizeof(b));
    must(a.flags == 0 && b.flags == TK_SYMCACHE_STRICT);
    a.flags = b.flags;
    a.checksum = b.checksum;
    must(memcmp(&a, &b, sizeof(a)) == 0);

    after = loose->size - sizeof(a);
    must(memcmp(loose->data + sizeof(a), strict->data + sizeof(a), after)
         == 0);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                     head, len, ends[4];
    uint8_t                   *text;
    built_t                    whole, split, other;
    unsigned                   flags;
    tk_symcache_build_conf_t   conf;

    if (size < 4) {
        return 0;
    }

    /* mostly with a module, so that there is more to it */

    flags = data[0];
    head = flags & 1 ? 0 : sizeof(HEAD) - 1;
    len = head + size - 4;

    text = fuzz_alloc(len);
    memcpy(text, HEAD, head);
    memcpy(text + head, data + 4, size - 4);

    memset(&conf, 0, sizeof(conf));
    conf.strict = flags >> 1 & 1;
    conf.max_memory = 1 << 28;

    built(&whole, &conf, text, len, 0, NULL);

    must(whole.rc == TK_SYM_OK || whole.error[0] != '\0');
    must(whole.rc != TK_SYM_OK || whole.code == TK_SYM_ENONE);
    must(whole.code != TK_SYM_EOUTPUT && whole.code != TK_SYM_ENOMEM);

    if (whole.rc == TK_SYM_OK) {
        check(&whole, conf.strict, text, len);
    }

    conf.strict ^= 1;
    built(&other, &conf, text, len, 0, NULL);
    conf.strict ^= 1;

    compare_modes(conf.strict ? &other : &whole,
                  conf.strict ? &whole : &other);
    free(other.data);

    /* nor does it matter how it is read */

    conf.narrow = 1;

    ends[0] = len * data[1] / 256;
    ends[1] = ends[0] + (len - ends[0]) * data[2] / 256;
    ends[2] = ends[1] + (len - ends[1]) * data[3] / 256;
    ends[3] = 0;

    if (ends[0] && ends[1] > ends[0] && ends[2] > ends[1]) {
        built(&split, &conf, text, len, 0, ends);

    } else {
        built(&split, &conf, text, len, 1 + data[3] % 7, NULL);
    }

    must(split.rc == whole.rc && split.code == whole.code);
    must(strcmp(split.error, whole.error) == 0);
    must(split.size == whole.size);
    must(whole.size == 0
         || memcmp(split.data, whole.data, whole.size) == 0);

    free(split.data);
    free(whole.data);
    free(text);

    return 0;
}
