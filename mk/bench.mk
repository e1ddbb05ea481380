# Figures, each one measured side by side with nginx itself.

BENCH_ENV =		TEST_NGINX_BINARY=$(NGINX) \
			TEST_NGINX_LOAD_MODULES="$(abspath $(MODULE_FILES) \
				$(PROBE_FILES))"
BENCH_ARGS =

BENCH_TOOLS =		$(BUILD)/bench/symgen $(BUILD)/bench/symbench \
			$(BUILD)/bench/tecken-symcache
SUBMIT_TOOLS =		$(BUILD)/bench/spoolbench $(BUILD)/bench/putbench

.PHONY: bench bench-download bench-symbolicate bench-submit bench-table

#: bench            all figures, with their targets
bench: bench-download bench-symbolicate bench-submit

#: bench-download   the figures of downloads
bench-download: deps-bench build probes
	@$(BENCH_ENV) bench/download $(BENCH_ARGS)

#: bench-symbolicate
#:                  the figures of symbolication, on a file like libxul's
bench-symbolicate: deps-bench build probes $(BENCH_TOOLS)
	@$(BENCH_ENV) bench/symbolicate --tools $(BUILD)/bench $(BENCH_ARGS)

#: bench-submit     the figures of crash reports, on the disk that has build
bench-submit: deps-bench build probes $(SUBMIT_TOOLS)
	@$(BENCH_ENV) bench/submit --tools $(BUILD)/bench $(BENCH_ARGS)

#: bench-table      all, written to docs/benchmarks.md
bench-table: deps-bench build probes $(BENCH_TOOLS) $(SUBMIT_TOOLS)
	@$(BENCH_ENV) bench/download --table docs/benchmarks.md $(BENCH_ARGS)
	@$(BENCH_ENV) bench/symbolicate --tools $(BUILD)/bench \
		--table docs/benchmarks.md $(BENCH_ARGS)
	@$(BENCH_ENV) bench/submit --tools $(BUILD)/bench \
		--table docs/benchmarks.md $(BENCH_ARGS)


# libdeflate is measured, not used
LIBDEFLATE :=		$(wildcard /usr/include/libdeflate.h)

$(BUILD)/bench/symgen: $(wildcard bench/symgen*) | $(BUILD)/bench
	$(CC) $(FLOOR0_CFLAGS) -O2 -o $@ $(filter %.c,$^) -lm

$(BUILD)/bench/symbench: bench/symbench.c $(FLOOR0_LIB) | $(BUILD)/bench
	$(CC) $(FLOOR0_CFLAGS) -O2 $(LIBDEFLATE:%=-DTK_HAVE_LIBDEFLATE=1) \
		-o $@ $^ -Wl,--as-needed $(LIBDEFLATE:%=-ldeflate) \
		$(FLOOR0_LIBS)

$(BUILD)/bench/spoolbench: bench/spoolbench.c | $(BUILD)/bench
	$(CC) $(FLOOR0_CFLAGS) -O2 -pthread -o $@ $<

$(BUILD)/bench/putbench: bench/putbench.c $(FLOOR0_LIB) | $(BUILD)/bench
	$(CC) $(FLOOR0_CFLAGS) -O2 -pthread -o $@ $^ -lcurl $(FLOOR0_LIBS)

$(BUILD)/bench/tecken-symcache: $(TOOL) | $(BUILD)/bench
	ln -f $< $@

$(BUILD)/bench:
	mkdir -p $@
