
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * Writes a .sym like libxul's to stdout, the same bytes for the same
 * arguments:
 *
 *     symgen [CLASS [SCALE [SEED]]] > libxul.so.sym
 *
 * CLASS xul: some 570 MB, 307,000 functions, 11.9 million lines, 1.57 million
 * ranges of inlines; xul-inl: some 630 MB, 5.27 million ranges.  SCALE 0.01
 * is a hundredth of it.  The layout is that of mozilla/dump_syms: FUNC and
 * PUBLIC by address, ranges of the same inline merged into one record.
 * bench/symstat counts what is in such a file.
 */


#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symgen.h"


#define MAX_DEPTH    24
#define MAX_LINES    8192
#define MAX_RANGES   (MAX_LINES * 4)
#define TEXT_START   0x2e10000

#define HOT_ORIGINS  3000


typedef struct {
    const char  *name;

    uint32_t     functions;
    uint32_t     publics;
    uint32_t     lines;
    uint32_t     ranges;
    uint32_t     origins;
    uint32_t     files;

    double       enter;         /* an inline at a line */
    double       leave;
    double       again;         /* it is one that was left before */
    double       header;        /* a line of another file without an inline */
    double       like;          /* a function is like the one before */

    double       name_repeat;   /* of FUNC and INLINE_ORIGIN */
    double       name_size;     /* template arguments in names */
    double       cfi;           /* STACK lines of a function */
} class_t;


typedef struct {
    uint32_t     addr;
    uint32_t     size;
    uint32_t     line;
    uint32_t     file;
} line_t;


typedef struct {
    uint32_t     addr;
    uint32_t     size;
    int32_t      next;
} range_t;


typedef struct {
    uint32_t     depth;
    uint32_t     line;
    uint32_t     file;
    uint32_t     origin;
    int32_t      first;
    int32_t      last;
} record_t;


typedef struct {
    uint32_t     record;
    uint32_t     start;
    uint32_t     line;
    uint32_t     file;
} frame_t;


static void write_files(const class_t *c);
static void write_origins(const class_t *c);
static void write_code(const class_t *c);
static uint32_t function_lines(const class_t *c, uint32_t i);
static uint32_t function_body(const class_t *c, uint32_t addr, uint32_t count,
    uint32_t file, uint32_t base, uint32_t center);
static uint32_t function_again(uint32_t addr);
static void enter_inline(const class_t *c, uint32_t addr, uint32_t center);
static void leave_inline(uint32_t addr);
static void write_body(void);
static void write_stack(const class_t *c);


static const class_t  classes[] = {
    { "xul", 307000, 51000, 12040000, 1640000, 480000, 12000,
      0.116, 0.36, 0.44, 0.24, 0.65, 0.30, 0.47, 10.9 },
    { "xul-inl", 307000, 51000, 11500000, 5270000, 480000, 12000,
      0.36, 0.42, 0.68, 0.00, 0.66, 0.10, 0.487, 8.9 },
};


/* how many in ten thousand, as in libjvm.so of OpenJDK 17 */

static const uint16_t  line_sizes[] = {
    166, 396, 1282, 1753, 1192, 535, 1240, 678, 501, 394, 276, 238, 190, 160,
    129, 186, 79, 77, 59, 70, 51, 34, 30, 46, 24, 22, 16, 18, 13, 10, 9, 15,
    5, 8, 8, 7, 5, 4, 7, 4, 2, 3, 2, 3, 2, 4, 1, 8, 3, 1, 3, 2, 1, 1, 4, 1
};

/* lines of a function, by powers of two */

static const uint16_t  line_counts[] = {
    1951, 961, 562, 654, 1159, 1426, 1718, 934, 412, 150, 50, 18, 3, 2
};


static uint16_t   size_of[10000];
static uint16_t   count_of[10000];
static double     count_scale;

static double     all_lines, all_ranges;    /* so far */

static line_t     lines[MAX_LINES];
static range_t    ranges[MAX_RANGES];
static record_t   records[MAX_RANGES];
static frame_t    stack[MAX_DEPTH + 1];

static uint32_t   nlines, nranges, nrecords, depth;
static uint32_t   norigins, nfiles;

static uint32_t  *code_addr, *code_size;
static uint32_t   nfunctions;


int
main(int argc, char **argv)
{
    size_t   i;
    double   scale;
    class_t  c;

    const char  *name = argc > 1 ? argv[1] : "xul";

    scale = argc > 2 ? atof(argv[2]) : 1;

    for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (strcmp(classes[i].name, name) == 0) {
            break;
        }
    }

    if (i == sizeof(classes) / sizeof(classes[0]) || scale < 0.0001
        || scale > 4 || argc > 4)
    {
        fprintf(stderr, "usage: symgen [xul|xul-inl [SCALE [SEED]]]\n");
        return 2;
    }

    c = classes[i];

    c.functions = (uint32_t) (c.functions * scale);
    c.publics = (uint32_t) (c.publics * scale);
    c.lines = (uint32_t) (c.lines * scale);
    c.ranges = (uint32_t) (c.ranges * scale);
    c.origins = (uint32_t) (c.origins * scale) + 1;
    c.files = (uint32_t) (c.files * (scale < 1 ? sqrt(scale) : scale)) + 1;

    gen_seed(argc > 3 ? strtoull(argv[3], NULL, 10) : 1);
    gen_names(c.name_size);

    norigins = c.origins;
    nfiles = c.files;

    gen_printf("MODULE Linux x86_64 %08X%08X%08X%08X0 libxul.so\n",
               gen_hash(1), gen_hash(2), gen_hash(3), gen_hash(4));
    gen_printf("INFO CODE_ID %08X%08X%08X%08X%08X\n", gen_hash(1),
               gen_hash(2), gen_hash(3), gen_hash(4), gen_hash(5));
    gen_printf("INFO GENERATOR mozilla/dump_syms 2.3.4\n");

    write_files(&c);
    write_origins(&c);
    write_code(&c);
    write_stack(&c);

    return gen_flush() == 0 ? 0 : 1;
}


static void
write_files(const class_t *c)
{
    uint32_t  i;

    for (i = 0; i < c->files; i++) {
        gen_printf("FILE %u ", i);
        gen_file(i);
        gen_byte('\n');
    }
}


static void
write_origins(const class_t *c)
{
    uint32_t  i;

    for (i = 0; i < c->origins; i++) {
        gen_printf("INLINE_ORIGIN %u ", i);

        /* of several units that define it for themselves */
        gen_name(GEN_ORIGIN, gen_chance(c->name_repeat)
                             ? gen_below(i + 1) : i);
        gen_byte('\n');
    }
}


static void
write_code(const class_t *c)
{
    size_t    j, n;
    double    mean, public;
    uint32_t  i, addr, size, file, base, publics;

    for (i = 0, n = 0; i < sizeof(line_sizes) / sizeof(uint16_t); i++) {
        for (j = 0; j < line_sizes[i] && n < 10000; j++) {
            size_of[n++] = (uint16_t) (i + 1);
        }
    }

    while (n < 10000) {
        size_of[n] = (uint16_t) (60 + n % 190);
        n++;
    }

    for (i = 0, n = 0, mean = 0; n < 10000; i++) {
        for (j = 0; j < line_counts[i] && n < 10000; j++) {
            count_of[n++] = (uint16_t) i;
            mean += 1.5 * (1 << i) / 10000;
        }
    }

    count_scale = (double) c->lines / c->functions / mean;

    code_addr = malloc((c->functions + 1) * sizeof(uint32_t));
    code_size = malloc((c->functions + 1) * sizeof(uint32_t));

    if (code_addr == NULL || code_size == NULL) {
        exit(1);
    }

    addr = TEXT_START;
    file = 0;
    base = 1;
    public = 0;
    publics = 0;

    for (i = 0; i < c->functions; i++) {

        /* a unit has some functions, from top to bottom */

        if (i == 0 || gen_chance(0.04)) {
            file = gen_below(nfiles);
            base = 20 + gen_below(gen_below(9000));
        }

        if (nlines && gen_chance(c->like)) {
            size = function_again(addr);

        } else {
            size = function_body(c, addr, function_lines(c, i), file, base,
                       (uint32_t) ((uint64_t) i * norigins / c->functions));
        }

        gen_printf(gen_chance(0.02) ? "FUNC m %x %x 0 " : "FUNC %x %x 0 ",
                   addr, size);
        gen_name(GEN_FUNCTION, gen_chance(c->name_repeat)
                               ? gen_below(i + 1) : i);
        gen_byte('\n');

        write_body();

        all_lines += nlines;
        all_ranges += nranges;

        code_addr[nfunctions] = addr;
        code_size[nfunctions++] = size;

        addr += size;
        addr = (addr + 15) & ~15u;
        base += 3 + gen_below(40);

        public += (double) c->publics / c->functions;

        if (publics < public) {
            publics++;
            gen_printf("PUBLIC %x 0 ", addr);
            gen_name(GEN_PUBLIC, publics);
            gen_byte('\n');
            addr += 16 * (1 + gen_below(8));
        }
    }
}


/* keeps to what there should be in the end */

static double
correction(double is, double total, double done)
{
    double  f;

    f = (total * done + total / 500) / (is + total / 500);

    return f < 0.5 ? 0.5 : f > 2 ? 2 : f;
}


static uint32_t
function_lines(const class_t *c, uint32_t i)
{
    double    n;
    uint32_t  b;

    b = count_of[gen_below(10000)];
    n = ((1u << b) + (double) gen_below(1u << b)) * count_scale
        * correction(all_lines, c->lines, (double) i / c->functions);

    if (n < 1) {
        return 1;
    }

    return n > MAX_LINES ? MAX_LINES : (uint32_t) n;
}


/* the steps of a line are as often back as forth, and mostly small */

static uint32_t
step(uint32_t line)
{
    int32_t   d;
    uint32_t  r;

    r = gen_below(1000);

    if (r < 460) {
        return line;
    }

    if (r < 680) {
        d = 1;

    } else if (r < 790) {
        d = 2 + (int32_t) gen_below(3);

    } else if (r < 860) {
        d = -1 - (int32_t) gen_below(3);

    } else if (r < 920) {
        d = 5 + (int32_t) gen_below(12);

    } else if (r < 965) {
        d = 4 - (int32_t) gen_below(24);

    } else {
        d = (int32_t) gen_below(600) - 300;
    }

    d += (int32_t) line;

    return d < 1 ? 1 : (uint32_t) d;
}


static uint32_t
function_body(const class_t *c, uint32_t addr, uint32_t count, uint32_t file,
    uint32_t base, uint32_t center)
{
    line_t    *l;
    double     enter;
    uint32_t   i, end, other;

    enter = c->enter * correction(all_ranges, c->ranges,
                                  all_lines / c->lines);
    other = 0;
    nlines = 0;
    nranges = 0;
    nrecords = 0;
    depth = 0;

    stack[0].line = base;
    stack[0].file = file;

    end = addr;

    for (i = 0; i < count; i++) {

        while (depth && gen_chance(c->leave)) {
            leave_inline(end);
        }

        while (depth < MAX_DEPTH && nranges < MAX_RANGES - MAX_DEPTH
               && gen_chance(depth ? enter * 0.8 : enter))
        {
            enter_inline(c, end, center);
        }

        stack[depth].line = step(stack[depth].line);

        l = &lines[nlines++];
        l->addr = end;
        l->line = stack[depth].line;
        l->file = stack[depth].file;

        if (gen_chance(c->header)) {

            /* of something small that is everywhere, some lines at once */

            if (i == 0 || gen_chance(0.3)) {
                other = gen_below(12) * gen_below(12);
            }

            l->line = 100 + gen_hash(other) % 900 + gen_below(3);
            l->file = gen_hash(other + 0x70000000) % nfiles;
        }

        /* the same line becomes the same code, often */

        l->size = size_of[gen_chance(0.5)
                          ? gen_hash(l->line ^ (l->file << 12)) % 10000
                          : gen_below(10000)];
        end += l->size;
    }

    while (depth) {
        leave_inline(end);
    }

    return end - addr;
}


/* another instance of a template: the same lines, some code differs */

static uint32_t
function_again(uint32_t addr)
{
    int32_t   shift;
    uint32_t  i, from, old;

    from = lines[0].addr;
    shift = 0;

    for (i = 0; i < nranges; i++) {
        ranges[i].addr += addr - from;
    }

    for (i = 0; i < nlines; i++) {
        lines[i].addr += addr - from;
    }

    i = gen_below(nlines);
    old = lines[i].size;

    lines[i].size = size_of[gen_below(10000)];
    shift = (int32_t) (lines[i].size - old);

    old = lines[i].addr;

    for (i++; i < nlines; i++) {
        lines[i].addr += (uint32_t) shift;
    }

    for (i = 0; i < nranges; i++) {

        if (ranges[i].addr > old) {
            ranges[i].addr += (uint32_t) shift;

        } else if (ranges[i].addr + ranges[i].size > old) {
            ranges[i].size += (uint32_t) shift;
        }
    }

    return lines[nlines - 1].addr + lines[nlines - 1].size - addr;
}


static void
enter_inline(const class_t *c, uint32_t addr, uint32_t center)
{
    uint32_t   i, n, origin;
    frame_t   *f;
    record_t  *r;

    n = nrecords;
    depth++;

    if (n && gen_chance(c->again)) {

        /* the optimizer has moved a part of it */

        for (i = 0; i < 12 && i < nrecords; i++) {
            r = &records[nrecords - 1 - gen_below(nrecords < 24 ? nrecords
                                                                : 24)];
            if (r->depth == depth - 1) {
                n = (uint32_t) (r - records);
                break;
            }
        }
    }

    if (n == nrecords) {

        if (gen_chance(0.3)) {
            origin = (uint32_t) (pow(gen_unit(), 3)
                                 * (norigins < HOT_ORIGINS ? norigins
                                                           : HOT_ORIGINS));
            origin = (uint32_t) ((uint64_t) origin * norigins / HOT_ORIGINS
                                 % norigins);

        } else {
            origin = (center + (uint32_t) (pow(gen_unit(), 4) * 2000))
                     % norigins;
        }

        for (i = 0; i < nrecords; i++) {
            r = &records[i];

            if (r->origin == origin && r->depth == depth - 1
                && r->line == stack[depth - 1].line
                && r->file == stack[depth - 1].file)
            {
                break;
            }
        }

        n = i;

        if (n == nrecords) {
            r = &records[nrecords++];
            r->depth = depth - 1;
            r->line = stack[depth - 1].line;
            r->file = stack[depth - 1].file;
            r->origin = origin;
            r->first = -1;
        }
    }

    r = &records[n];
    f = &stack[depth];

    f->record = n;
    f->start = addr;

    /* where its function is */
    f->file = gen_hash(r->origin) % nfiles;
    f->line = 10 + gen_hash(r->origin + 0x10000000) % 5000 + gen_below(12);
}


static void
leave_inline(uint32_t addr)
{
    range_t   *range;
    record_t  *r;

    r = &records[stack[depth].record];
    range = &ranges[nranges];

    range->addr = stack[depth].start;
    range->size = addr - range->addr;
    range->next = -1;

    if (r->first == -1) {
        r->first = (int32_t) nranges;

    } else {
        ranges[r->last].next = (int32_t) nranges;
    }

    r->last = (int32_t) nranges++;
    depth--;
}


static void
write_body(void)
{
    int32_t   j;
    uint32_t  i;

    for (i = 0; i < nrecords; i++) {
        gen_text("INLINE ");
        gen_decimal(records[i].depth, ' ');
        gen_decimal(records[i].line, ' ');
        gen_decimal(records[i].file, ' ');
        gen_decimal(records[i].origin, ' ');

        for (j = records[i].first; j != -1; j = ranges[j].next) {
            gen_hex(ranges[j].addr, ' ');
            gen_hex(ranges[j].size, ranges[j].next == -1 ? '\n' : ' ');
        }
    }

    for (i = 0; i < nlines; i++) {
        gen_hex(lines[i].addr, ' ');
        gen_hex(lines[i].size, ' ');
        gen_decimal(lines[i].line, ' ');
        gen_decimal(lines[i].file, '\n');
    }
}


static void
write_stack(const class_t *c)
{
    uint32_t  i, n, addr, cfa;

    static const char *const  saved[] = {
        "$rbp", "$r15", "$r14", "$r13", "$r12", "$rbx"
    };

    for (i = 0; i < nfunctions; i++) {
        gen_printf("STACK CFI INIT %x %x .cfa: $rsp 8 + .ra: .cfa -8 + ^\n",
                   code_addr[i], code_size[i]);

        addr = code_addr[i];
        cfa = 8;

        for (n = gen_below((uint32_t) (c->cfi * 2) - 1); n; n--) {
            addr += 1 + gen_below(4);
            cfa += 8;

            if (cfa < 64 && n > 4) {
                gen_printf("STACK CFI %x .cfa: $rsp %u + %s: .cfa -%u + ^\n",
                           addr, cfa, saved[(cfa / 8 - 2) % 6], cfa);

            } else {
                gen_printf("STACK CFI %x .cfa: $rsp %u +\n", addr, cfa);
                addr += gen_below(code_size[i] / (n + 1) + 1);
            }
        }
    }
}
