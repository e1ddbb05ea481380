
# The suites.  mk/prove starts the servers that they share.

TEST_DIR =		$(abspath $(BUILD))/test

UNIT_TESTS =		$(call unit_programs,$(BUILD)/unit)
SUITES =		-r t

# those that look at the modules: any nginx will do
MODULE_SUITES =		$(filter-out t/harness/% t/make/%, \
				$(wildcard t/*.t t/*/*.t))

.PHONY: fuzz-short suites prove test-faults


#: test             unit tests, fuzzers for a moment, all suites
test: deps-test fuzz-short suites

fuzz-short: | deps-test
	@mkdir -p $(TEST_DIR)
	@echo "fuzzing $(FUZZ_NAMES), $(FUZZ_RUNS) runs each"
	@$(MAKE) -s fuzz > $(TEST_DIR)/fuzz.log 2>&1 \
		|| { tail -n 40 $(TEST_DIR)/fuzz.log; exit 1; }

#: test-faults      the suites of faults and of the spool at length: 200 kills,
#:                  100,000 crashes, 20 power cuts of each kind, each call of a
#:                  crash's way failing; an hour or two
test-faults: deps-test
	@SPOOL_ROUNDS=200 SPOOL_CRASHES=100000 SPOOL_CUTS=20 SPOOL_EACH=1 \
		SPOOL_OUTAGE=300 SPOOL_RELOADS=60 \
		$(MAKE) suites UNIT_TESTS= \
		SUITES="$(wildcard t/faults/*.t t/antenna-*.t)"

suites: build probes $(UNIT_TESTS) prove

# with what is built already
prove:
	@TEST_NGINX_BINARY=$(NGINX) TEST_NGINX_SERVROOT=$(TEST_DIR)/servroot \
		TEST_NGINX_LOAD_MODULES="$(abspath $(MODULE_FILES) \
			$(PROBE_FILES))" TECKEN_BUILD=$(abspath $(BUILD)) \
		mk/prove $(TEST_DIR) $(UNIT_TESTS) $(SUITES)

.PHONY: check-symbols

#: check-symbols    our answers against another engine's, for symbol files and
#:                  answers in DIR=FOLDER
check-symbols: tool
	@test -n "$(DIR)" || { echo "say where: DIR=FOLDER" >&2; exit 2; }
	@t/check-symbols $(TOOL) $(DIR)
