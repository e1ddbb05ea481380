
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_symreq.h"
#include "tk_tap.h"


#define MAP  "\"memoryMap\": [[\"xul.pdb\", \"AB\"], [\"\", \"\"]]"


static const tk_symreq_limits_t  limits = { 10, 1000, 1000, 100000, 32 };

static tk_symreq_t   req;
static void         *memory;


static int
parse(const tk_symreq_limits_t *l, unsigned version, const char *text)
{
    free(memory);
    memory = malloc(tk_symreq_size(l, strlen(text)));

    return tk_symreq_parse(&req, l, version, (const uint8_t *) text,
                           strlen(text), memory);
}


/* the texts are Eliot's; more of them are in t/symbolicate-requests.t */

static const struct {
    unsigned             version;
    const char          *text;
    tk_symreq_reason_t   reason;
    const char          *error;
} errors[] = {
    { 5, "", TK_SYMREQ_BAD_JSON, "Payload is not valid JSON" },
    { 5, "{\"jobs\": [01]}", TK_SYMREQ_BAD_JSON, "Payload is not valid JSON" },
    { 4, "{} {}", TK_SYMREQ_BAD_JSON, "Payload is not valid JSON" },
    { 5, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", TK_SYMREQ_BAD_JSON,
      "please limit nesting in the payload to <= 32" },
    { 5, "{\"jobs\": [1,1,1,1,1,1,1,1,1,1,1]}", TK_SYMREQ_TOO_MANY_JOBS,
      "please limit number of jobs in a single request to <= 10" },
    { 5, "{\"jobs\": null}", TK_SYMREQ_BAD_JOBS, "jobs must be a list" },
    { 5, "{\"jobs\": \"a\"}", TK_SYMREQ_BAD_JOBS, "job 0 is invalid" },
    { 4, "[]", TK_SYMREQ_BAD_JOBS, "job 0 is invalid" },
    { 4, "{\"jobs\": []}", TK_SYMREQ_BAD_JOBS,
      "job 0 is invalid: no stacks specified" },
    { 5, "{\"stacks\": 1}", TK_SYMREQ_BAD_JOBS,
      "job 0 is invalid: no memoryMap specified" },
    { 5, "{\"jobs\": [{\"stacks\": [[]], \"memoryMap\": []}, {}]}",
      TK_SYMREQ_BAD_JOBS, "job 1 is invalid: no stacks specified" },
    { 5, "{\"stacks\": 1, \"memoryMap\": {}}", TK_SYMREQ_BAD_MODULES,
      "job 0 has invalid modules: modules must be a list" },
    { 5, "{\"stacks\": 1, \"memoryMap\": [[\"a\", \"b\"], [\"a\"]]}",
      TK_SYMREQ_BAD_MODULES, "job 0 has invalid modules: module index 1 does "
      "not have a debug_filename and debug_id" },
    { 5, "{\"stacks\": 1, \"memoryMap\": [[\"a/\", \"b\"]]}",
      TK_SYMREQ_BAD_MODULES, "job 0 has invalid modules: module index 0 has "
      "an invalid debug_filename" },
    { 5, "{\"stacks\": 1, \"memoryMap\": [[\"a\", \"b\\n\"]]}",
      TK_SYMREQ_BAD_MODULES, "job 0 has invalid modules: module index 0 has "
      "an invalid debug_id" },
    { 5, "{\"stacks\": 1, " MAP "}", TK_SYMREQ_BAD_STACKS,
      "job 0 has invalid stacks: stacks must be a list of lists" },
    { 5, "{\"stacks\": [], " MAP "}", TK_SYMREQ_BAD_STACKS,
      "job 0 has invalid stacks: no stacks specified" },
    { 5, "{\"stacks\": [[], 1], " MAP "}", TK_SYMREQ_BAD_STACKS,
      "job 0 has invalid stacks: stack 1 is not a list" },
    { 5, "{\"stacks\": [[[0, 1], [0, 1, 2]]], " MAP "}", TK_SYMREQ_BAD_STACKS,
      "job 0 has invalid stacks: stack 0 frame 1 is not a list of two items" },
    { 5, "{\"stacks\": [[[-2, 1]]], " MAP "}", TK_SYMREQ_BAD_STACKS,
      "job 0 has invalid stacks: stack 0 frame 0 has an invalid "
      "module_index" },
    { 5, "{\"stacks\": [[[2, 1]]], " MAP "}", TK_SYMREQ_BAD_STACKS,
      "job 0 has invalid stacks: stack 0 frame 0 has a module_index that "
      "isn't in modules" },
    { 5, "{\"stacks\": [[[0, -2]]], " MAP "}", TK_SYMREQ_BAD_STACKS,
      "job 0 has invalid stacks: stack 0 frame 0 has an invalid "
      "module_offset" },
    { 5, "{\"stacks\": [[[0, 1e3]]], " MAP "}", TK_SYMREQ_BAD_STACKS,
      "job 0 has invalid stacks: stack 0 frame 0 has an invalid "
      "module_offset" },
};


static void
test_errors(void)
{
    size_t  i;

    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        tap_is_int(parse(&limits, errors[i].version, errors[i].text), -1,
                   errors[i].text);
        tap_is_int(req.reason, errors[i].reason, "its reason");
        tap_is_str(req.error, strlen(req.error), errors[i].error, "its text");
    }
}


static void
test_arrays(void)
{
    tk_symreq_frame_t   *f;
    tk_symreq_module_t  *m;

    /* two jobs that share a module, one that is there twice, an escape */

    tap_is_int(parse(&limits, 5,
               "{\"jobs\": [{\"memoryMap\": [[\"b\\u002epdb\", \"Ab\"], "
               "[\"a\", \"1\"], [\"b.pdb\", \"Ab\"]], \"x\": {\"stacks\": 1}, "
               "\"stacks\": [[[2, 5], [-1, 7]], [], [[1, -1]]]}, "
               "{\"memoryMap\": [[\"a\", \"1\"], [\"b.pdb\", \"AB\"]], "
               "\"stacks\": [[[true, false], [0, -0]]]}]}"), 0, "two jobs");

    tap_is_int(req.njobs, 2, "jobs");
    tap_is_int(req.nmodules, 3, "modules, each once");
    tap_is_int(req.nmap, 5, "entries");
    tap_is_int(req.nstacks, 4, "stacks");
    tap_is_int(req.nframes, 5, "frames");

    m = req.modules;
    tap_is_str(m[0].file.data, m[0].file.len, "b.pdb", "without escapes");
    tap_is_str(m[0].id.data, m[0].id.len, "Ab", "an id as it came");
    tap_is_str(m[1].file.data, m[1].file.len, "a", "another");
    tap_is_str(m[2].id.data, m[2].id.len, "AB", "not the same id");
    tap_is_int(m[0].frames, 1, "frames that refer to it");
    tap_is_int(m[1].frames, 2, "in both jobs");
    tap_is_int(m[2].frames, 1, "by true");

    tap_is_int(req.map[0], 0, "the first entry");
    tap_is_int(req.map[1], 1, "the second");
    tap_ok(req.map[2] == (0 | TK_SYMREQ_AGAIN), "the first again");
    tap_is_int(req.map[3], 1, "not again in another job");
    tap_is_int(req.map[4], 2, "the last");

    tap_is_int(req.jobs[0].map, 0, "where the first job's are");
    tap_is_int(req.jobs[0].nmap, 3, "how many");
    tap_is_int(req.jobs[1].map, 3, "where the second's are");
    tap_is_int(req.jobs[1].nmap, 2, "how many");
    tap_is_int(req.jobs[0].nstacks, 3, "its stacks");
    tap_is_int(req.jobs[1].stack, 3, "those of the second");

    tap_is_int(req.stacks[0], 0, "the first stack");
    tap_is_int(req.stacks[1], 2, "an empty one");
    tap_is_int(req.stacks[2], 2, "one of one frame");
    tap_is_int(req.stacks[3], 3, "the last");
    tap_is_int(req.stacks[4], 5, "the end");

    f = req.frames;
    tap_is_int(f[0].module, 0, "an entry that is there again");
    tap_is_int((int64_t) f[0].offset, 5, "its offset");
    tap_ok(f[1].module == TK_SYMREQ_NONE, "no module");
    tap_is_int(f[2].kind, TK_SYMREQ_NEGATIVE, "-1");
    tap_is_int(f[3].module, 2, "true");
    tap_is_int((int64_t) f[3].offset, 0, "false");
    tap_is_int(f[4].kind, TK_SYMREQ_OFFSET, "-0");
}


static void
test_numbers(void)
{
    size_t     i;
    char       text[8192], digits[4302];
    tk_str_t   big;

    static const struct {
        const char  *decimal;
        const char  *hex;           /* as Python's hex() */
    } numbers[] = {
        { "18446744073709551616", "10000000000000000" },
        { "18446744073709551617", "10000000000000001" },
        { "99999999999999999999", "56bc75e2d630fffff" },
        { "340282366920938463463374607431768211455",
          "ffffffffffffffffffffffffffffffff" },
        { "340282366920938463463374607431768211456",
          "100000000000000000000000000000000" },
        { "1000000000000000000000000000000000000000",
          "2f050fe938943acc45f65568000000000" },
    };

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        snprintf(text, sizeof(text), "{\"stacks\": [[[0, %s], [1, 1]]], " MAP
                 "}", numbers[i].decimal);
        tap_is_int(parse(&limits, 5, text), 0, numbers[i].decimal);
        tap_is_int(req.frames[0].kind, TK_SYMREQ_BIG, "more than 64 bits");

        big = tk_symreq_big(&req, &req.frames[0]);
        tap_is_str(big.data, big.len, numbers[i].hex, "in hex");
        tap_is_int((int64_t) req.frames[1].offset, 1, "the next frame");
    }

    tap_is_int(parse(&limits, 4, "{\"stacks\": [[[0, 18446744073709551615]]], "
                     MAP "}"), 0, "2^64 - 1");
    tap_ok(req.frames[0].kind == TK_SYMREQ_OFFSET
           && req.frames[0].offset == UINT64_MAX, "is exact");

    memset(digits, '9', sizeof(digits));
    digits[4301] = '\0';

    snprintf(text, sizeof(text), "{\"stacks\": [[[0, %s]]], " MAP "}",
             digits + 1);
    tap_is_int(parse(&limits, 5, text), 0, "4,300 digits");
    tap_is_int((int64_t) tk_symreq_big(&req, req.frames).len, 3572,
               "are so many in hex");

    snprintf(text, sizeof(text), "{\"stacks\": [[[0, %s]]], " MAP "}", digits);
    tap_is_int(parse(&limits, 5, text), -1, "4,301 are too many");

    snprintf(text, sizeof(text), "{\"x\": %s, \"stacks\": [[]], " MAP "}",
             digits);
    tap_is_int(parse(&limits, 5, text), 0, "but of another key's no matter");
}


static void
test_limits(void)
{
    char      *text, *p;
    unsigned   i;

    static const tk_symreq_limits_t  many = {
        100000, 100000, 100000, 100000, 32
    };

    /* the shortest elements that there are, as many as are allowed */

    text = malloc(400000);
    p = text + sprintf(text, "{\"jobs\":[");

    for (i = 0; i < 100000; i++) {
        p += sprintf(p, i ? ",1" : "1");
    }

    sprintf(p, "]}");
    tap_is_int(parse(&many, 5, text), -1, "100,000 jobs that are none");
    tap_is_str(req.error, strlen(req.error), "job 0 is invalid", "the first");
    tap_is_int(req.njobs, 100000, "were counted");

    p = text + sprintf(text, "{\"stacks\":[");

    for (i = 0; i < 100000; i++) {
        p += sprintf(p, i ? ",[]" : "[]");
    }

    sprintf(p, "],\"memoryMap\":[]}");
    tap_is_int(parse(&many, 5, text), 0, "100,000 stacks");
    tap_is_int(req.nstacks, 100000, "all are there");
    tap_is_int(parse(&limits, 5, text), -1, "1,000 is the usual limit");

    tap_ok(tk_symreq_size(&many, 1000000) < 20000000, "memory is bounded");

    free(text);
}


int
main(void)
{
    test_errors();
    test_arrays();
    test_numbers();
    test_limits();

    free(memory);

    return tap_done();
}
