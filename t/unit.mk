
# Unit tests and fuzzers of floor 0.  Runs from the root of the source tree,
# by itself (make -f t/unit.mk unit) or included.

BUILD ?=		build
CC ?=			cc
FUZZ_CC ?=		clang-14
FUZZ_RUNS ?=		20000
FUZZ_SECONDS ?=		600
GCOV ?=			gcov

# ISAL=no: inflate with zlib, as where ISA-L is not installed
ISAL :=			$(shell printf '%b' '\043include <isa-l/igzip_lib.h>\n' \
				'int main(void) { return !isal_inflate; }\n' \
				| $(CC) -x c -o /dev/null - -lisal 2>/dev/null \
				&& echo yes || echo no)

FLOOR0_CFLAGS =		-std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror \
			-Wshadow -Wconversion -Icommon/wire -Icommon/sym \
			$(INFLATE_CFLAGS_$(ISAL))
FLOOR0_LIBS ?=		-lcrypto $(INFLATE_LIBS_$(ISAL)) -lz

INFLATE_CFLAGS_yes =	-DTK_HAVE_ISAL=1
INFLATE_LIBS_yes =	-lisal

FLOOR0_SRCS :=		$(wildcard common/wire/*.c common/sym/*.c)
FLOOR0_DEPS :=		$(wildcard common/wire/*.h common/sym/*.h \
				   t/unit/*.h)

UNIT_SRCS :=		$(wildcard t/unit/*_t.c)
FUZZ_SRCS :=		$(wildcard t/fuzz/*_fuzz.c)
FUZZ_NAMES :=		$(patsubst t/fuzz/%_fuzz.c,%,$(FUZZ_SRCS))

SANITIZE =		-fsanitize=address,undefined \
			-fno-sanitize-recover=all -fno-omit-frame-pointer


# $(1): folder, $(2): flags

define unit_rules

$(1)/%.o: common/wire/%.c $(FLOOR0_DEPS) | $(1)
	$$(CC) $(FLOOR0_CFLAGS) $(2) -c -o $$@ $$<

$(1)/%.o: common/sym/%.c $(FLOOR0_DEPS) | $(1)
	$$(CC) $(FLOOR0_CFLAGS) $(2) -c -o $$@ $$<

$(1)/%: t/unit/%.c $(addprefix $(1)/,$(notdir $(FLOOR0_SRCS:.c=.o))) \
	$(FLOOR0_DEPS) | $(1)
	$$(CC) $(FLOOR0_CFLAGS) -It/unit $(2) -o $$@ $$< \
		$$(filter %.o,$$^) $(FLOOR0_LIBS)

$(1):
	mkdir -p $$@

.PRECIOUS: $(1)/%.o

endef

$(eval $(call unit_rules,$(BUILD)/unit,-g -O2))
$(eval $(call unit_rules,$(BUILD)/unit-asan,-g -O1 $(SANITIZE)))
$(eval $(call unit_rules,$(BUILD)/unit-clang,-g -O2))
$(eval $(call unit_rules,$(BUILD)/unit-cov,-g -O0 --coverage))

$(BUILD)/unit-clang/%: CC = $(FUZZ_CC)

unit_programs =		$(patsubst t/unit/%.c,$(1)/%,$(UNIT_SRCS))

.PHONY: unit unit-asan unit-clang unit-run unit-asan-run unit-clang-run \
	unit-coverage sigv4-suite form-suite form-bench fuzz fuzz-build fuzz-long


unit: $(call unit_programs,$(BUILD)/unit) $(BUILD)/unit/sigv4_suite \
	$(BUILD)/unit/form_suite $(BUILD)/unit/form_bench

unit-asan: $(call unit_programs,$(BUILD)/unit-asan)

# two optimizers: clang 14 once dropped stores that gcc and the sanitizer
# builds kept

unit-clang: $(call unit_programs,$(BUILD)/unit-clang)

unit-run: unit
	prove -e '' $(BUILD)/unit/*_t

unit-asan-run: unit-asan
	prove -e '' $(BUILD)/unit-asan/*_t

unit-clang-run: unit-clang
	prove -e '' $(BUILD)/unit-clang/*_t

# lines and branches of floor 0 that the unit tests reach

unit-coverage: $(call unit_programs,$(BUILD)/unit-cov)
	rm -f $(BUILD)/unit-cov/*.gcda
	prove -Q -e '' $(call unit_programs,$(BUILD)/unit-cov)
	$(GCOV) -b -n -o $(BUILD)/unit-cov \
		$(notdir $(FLOOR0_SRCS:.c=.o)) | t/unit/coverage

# the cases of the AWS SDKs: SUITE=FOLDER, the "v4" of aws-c-auth's tests

sigv4-suite: $(BUILD)/unit/sigv4_suite
	$(BUILD)/unit/sigv4_suite $(SUITE)

# the cost of a form of 400 KiB: CHUNK=, bytes that come at once

form-bench: $(BUILD)/unit/form_bench
	$(BUILD)/unit/form_bench $(CHUNK)

# forms that others collected: HOSTILE=FOLDER, whose folder "multipart" has
# those of python-multipart, werkzeug, formidable, ModSecurity and
# go-fuzz-corpus

form-suite: $(BUILD)/unit-asan/form_suite
	mkdir -p $(BUILD)/hostile
	tar -C $(BUILD)/hostile -xzf $(HOSTILE)/multipart/go-fuzz.tar.gz
	$(BUILD)/unit-asan/form_suite $(HOSTILE)/multipart/python-multipart \
		$(HOSTILE)/multipart/werkzeug \
		$(HOSTILE)/multipart/formidable \
		$(HOSTILE)/multipart/modsecurity $(BUILD)/hostile/go-fuzz


$(BUILD)/fuzz/%: t/fuzz/%_fuzz.c $(FLOOR0_SRCS) $(FLOOR0_DEPS)
	mkdir -p $(BUILD)/fuzz
	$(FUZZ_CC) $(FLOOR0_CFLAGS) -g -O1 \
		-fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ $< $(FLOOR0_SRCS) \
		$(FLOOR0_LIBS)

fuzz-build: $(FUZZ_NAMES:%=$(BUILD)/fuzz/%)

#: fuzz             every fuzzer, FUZZ_RUNS= runs

# the seeds stay as they are: what is found goes to the first folder

fuzz: fuzz-build
	for name in $(FUZZ_NAMES); do \
		mkdir -p $(BUILD)/fuzz/found/$$name; \
		$(BUILD)/fuzz/$$name -seed=1 -runs=$(FUZZ_RUNS) \
			-max_total_time=60 -timeout=10 -rss_limit_mb=1024 \
			-verbosity=0 -print_final_stats=1 \
			-artifact_prefix=$(BUILD)/fuzz/$$name- \
			$(BUILD)/fuzz/found/$$name t/fuzz/corpus/$$name \
			|| exit 1; \
	done

fuzz-long: fuzz-build
	for name in $(FUZZ_NAMES); do \
		mkdir -p $(BUILD)/fuzz/found/$$name; \
		$(BUILD)/fuzz/$$name -max_total_time=$(FUZZ_SECONDS) \
			-timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
			-artifact_prefix=$(BUILD)/fuzz/$$name- \
			$(BUILD)/fuzz/found/$$name t/fuzz/corpus/$$name \
			|| exit 1; \
	done
