
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * What it costs to read a form of 400 KiB, Firefox's with 62 fields, against
 * SHA-256 of the same bytes: form_bench [CHUNK].
 */


#include <time.h>

#include "tk_crash_form.h"
#include "tk_hmac.h"
#include "tk_tap.h"


#define SIZE   (400 * 1024)
#define RUNS   200
#define HASHES 20


static const char  boundary[] = "------------------------2f0d8c3b1a4e5f67";


static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


/* returns the length of the dump */

static size_t
fill(uint8_t *body, size_t *len, const char *text, size_t text_len)
{
    size_t    i, n, end;
    unsigned  k;

    n = 0;

    for (k = 0; k < 62; k++) {
        n += (size_t) sprintf((char *) body + n,
                              "--%s\r\nContent-Disposition: form-data; "
                              "name=\"Annotation%u\"\r\n\r\nvalue %u\r\n",
                              boundary, k, k * k);
    }

    n += (size_t) sprintf((char *) body + n,
                          "--%s\r\nContent-Disposition: form-data; "
                          "name=\"upload_file_minidump\"; "
                          "filename=\"1f2e3d4c.dmp\"\r\n"
                          "Content-Type: application/octet-stream\r\n\r\n",
                          boundary);

    end = SIZE - sizeof(boundary) - 8;

    for (i = n; i < end; i++) {
        body[i] = (uint8_t) (text_len ? text[(i - n) % text_len]
                                      : (int) tap_random());
    }

    *len = end + (size_t) sprintf((char *) body + end, "\r\n--%s--\r\n",
                                  boundary);

    return end - n;
}


static double
read_form(const uint8_t *body, size_t len, size_t chunk, size_t dump)
{
    double             start;
    size_t             pos, end, out;
    unsigned           i;
    tk_str_t           data;
    const uint8_t     *p;
    tk_crash_conf_t    conf;
    tk_crash_form_t    crash;
    tk_crash_event_e   event;

    memset(&conf, 0, sizeof(conf));
    conf.form.boundary.data = (const uint8_t *) boundary;
    conf.form.boundary.len = sizeof(boundary) - 1;

    start = now();

    for (i = 0; i < RUNS; i++) {

        (void) tk_crash_form_init(&crash, &conf);
        event = TK_CRASH_AGAIN;
        out = 0;

        for (pos = 0; event == TK_CRASH_AGAIN; pos = end) {
            end = (len - pos < chunk) ? len : pos + chunk;
            p = body + pos;

            do {
                event = tk_crash_form_next(&crash, &p, body + end,
                                           end == len, &data);

                out += (event == TK_CRASH_DATA) ? data.len : 0;

            } while (event != TK_CRASH_AGAIN && event != TK_CRASH_END
                     && event != TK_CRASH_ERROR);
        }

        if (event != TK_CRASH_END || out != dump
            || tk_annotations_count(crash.annotations) != 62)
        {
            fprintf(stderr, "form_bench: the form was not read\n");
            exit(1);
        }

        tk_crash_form_free(&crash);
    }

    return (now() - start) / RUNS;
}


static double
hash(const uint8_t *body, size_t len)
{
    double      start;
    uint8_t     digest[SHA256_DIGEST_LENGTH];
    unsigned    i;
    SHA256_CTX  sha;

    start = now();

    for (i = 0; i < HASHES; i++) {
        SHA256_Init(&sha);
        SHA256_Update(&sha, body, len);
        SHA256_Final(digest, &sha);
    }

    return (now() - start) / HASHES;
}


int
main(int argc, char **argv)
{
    double    form, sha;
    size_t    i, len, dump, chunk;
    uint8_t  *body;

    static const struct {
        const char  *what;
        const char  *text;
        size_t       len;
    } dumps[] = {
        { "zeros", "", 1 },
        { "random bytes", "", 0 },
        { "lines of 40 bytes", "0x00007ff6d2a41000 symbol of a module \r\n",
          40 },
        { "near delimiters", "\r\n--------------------------2f0d8c3b1a4e5f6",
          44 }
    };

    chunk = (argc > 1) ? (size_t) strtoul(argv[1], NULL, 10) : 16384;
    body = malloc(SIZE + 8192);

    printf("%-20s %10s %10s %10s %12s\n", "a dump of", "form, us",
           "form, GB/s", "SHA-256, us", "form/SHA-256");

    for (i = 0; i < sizeof(dumps) / sizeof(dumps[0]); i++) {
        dump = fill(body, &len, dumps[i].text, dumps[i].len);
        form = read_form(body, len, chunk ? chunk : 16384, dump);
        sha = hash(body, len);

        printf("%-20s %10.1f %10.2f %10.1f %12.3f\n", dumps[i].what,
               form * 1e6, (double) len / form / 1e9, sha * 1e6, form / sha);
    }

    free(body);

    return 0;
}
