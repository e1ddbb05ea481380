
# The suites.  t/parts starts the servers that they share.

TEST_DIR =		$(abspath $(BUILD))/test

# what "make test" runs: folders, .t files, TAP programs
UNIT_TESTS =		$(call unit_programs,$(BUILD)/unit)
SUITES =		t/harness t

.PHONY: test-programs suites

#: test             unit tests, fuzzers for a moment, all suites
test: deps-test fuzz suites

suites: build probes unit
	@TEST_NGINX_BINARY=$(NGINX) TEST_NGINX_SERVROOT=$(TEST_DIR)/servroot \
		TEST_NGINX_LOAD_MODULES="$(abspath $(MODULE_FILES) \
			$(PROBE_FILES))" \
		mk/prove $(TEST_DIR) $(UNIT_TESTS) $(SUITES)
