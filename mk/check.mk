
# Static analysis, and the suites with everything that can be watched.

# nginx's source: of this Debian suite
CHECK_SUITE =		bookworm

SOURCES =		$(wildcard common/*.c common/*/*.c ngx_*/*.c \
				tools/*.c t/probe/*.c)

# nginx itself passes NULL with a length of 0 to memcpy(), and compares four
# bytes of a request at a time wherever they are
SANITIZE_CFLAGS =	-O1 -g -fsanitize=address,undefined \
			-fno-sanitize=nonnull-attribute,alignment \
			-fno-omit-frame-pointer -DNGX_DEBUG_PALLOC=1

# Every module has an ngx_modules; gcc 12's LeakSanitizer trips over the
# thread-local variables of modules that nginx has closed; some suites preload
# a library that makes system calls fail, and some bound nginx's memory, which
# freed memory that is kept for a watch must not spoil

SANITIZE_ENV =		ASAN_OPTIONS=$(subst $() ,:,$(ASAN)) \
			LSAN_OPTIONS=suppressions=$(CURDIR)/$(LEAKS):print_suppressions=0 \
			UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
ASAN =			detect_odr_violation=0 intercept_tls_get_addr=0 \
			verify_asan_link_order=0 quarantine_size_mb=16
LEAKS =			t/lib/Test/Nginx/lsan.suppress

# those that say so: one of each room, of those that measure no time
VALGRIND_SUITES =	$(shell grep -l '^\# Under valgrind too\.$$' t/*.t)

.PHONY: check-static check-sanitized check-valgrind


#: check            static analysis, and the suites under sanitizers and
#:                  valgrind
check: check-static check-sanitized check-valgrind

check-static: deps-check configure
	@mk/analyze $(OBJS) $(SOURCES)

check-sanitized: deps-test unit-asan-run fuzz-short
	@mk/nginx-source $(CHECK_SUITE) $(BUILD)/sources
	@$(SANITIZE_ENV) TEST_NGINX_TIMEOUT=30 \
		$(MAKE) suites BUILD=$(BUILD)/sanitized \
		NGINX_SRC=$(abspath $(BUILD))/sources/$(CHECK_SUITE) \
		NGINX_CFLAGS="$(SANITIZE_CFLAGS)" \
		NGINX_LDFLAGS=-fsanitize=address,undefined \
		UNIT_TESTS= SUITES="$(MODULE_SUITES)"

# what nginx leaks by itself is in t/lib/Test/Nginx/valgrind.suppress
check-valgrind: deps-test
	@TEST_NGINX_USE_VALGRIND=1 TEST_NGINX_TIMEOUT=60 \
		$(MAKE) suites UNIT_TESTS= SUITES="$(VALGRIND_SUITES)"
