# Figures, each one measured side by side with nginx itself.

BENCH_ENV =		TEST_NGINX_BINARY=$(NGINX) \
			TEST_NGINX_LOAD_MODULES="$(abspath $(MODULE_FILES) \
				$(PROBE_FILES))"
BENCH_ARGS =

.PHONY: bench bench-download bench-table

#: bench            all figures, with their targets
bench: bench-download

#: bench-download   the figures of downloads
bench-download: deps-bench build probes
	@$(BENCH_ENV) bench/download $(BENCH_ARGS)

#: bench-table      the same, written to docs/benchmarks.md
bench-table: deps-bench build probes
	@$(BENCH_ENV) bench/download --table docs/benchmarks.md $(BENCH_ARGS)
