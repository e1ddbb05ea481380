
# What has to be installed, in sets.  Nothing is asked of apt when nothing
# is missing.

DEPS_BUILD =		gcc make libc6-dev nginx nginx-dev \
			libcurl4-openssl-dev libexpat1-dev libssl-dev \
			libisal-dev libpcre2-dev zlib1g-dev
DEPS_RUN =		curl
# what suites preload into nginx, wherever it is
DEPS_PRELOAD =		libfaketime
DEPS_TEST =		$(DEPS_PRELOAD) perl curl e2fsprogs openssl ceph-base \
			ceph-common ceph-mon ceph-osd radosgw valgrind clang \
			xfsprogs
DEPS_BENCH =		wrk libdeflate-dev
DEPS_CHECK =		cppcheck clang-tidy
DEPS_VERSIONS =		debootstrap

.PHONY: deps deps-build deps-run deps-test deps-bench deps-check deps-versions

#: deps             install everything that the targets below need
deps: deps-build deps-run deps-test deps-bench deps-check deps-versions

deps-build:
	@mk/install-packages $(DEPS_BUILD)

deps-run:
	@mk/install-packages $(DEPS_BUILD) $(DEPS_RUN)

deps-test:
	@mk/install-packages $(DEPS_BUILD) $(DEPS_RUN) $(DEPS_TEST)

deps-bench:
	@mk/install-packages $(DEPS_BUILD) $(DEPS_TEST) $(DEPS_BENCH)

deps-check:
	@mk/install-packages $(DEPS_BUILD) $(DEPS_TEST) $(DEPS_CHECK)

deps-versions:
	@mk/install-packages $(DEPS_BUILD) $(DEPS_TEST) $(DEPS_VERSIONS)
