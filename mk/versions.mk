
# Other versions of nginx than the one that is installed here.

# Debian suites with an nginx-dev of their own, in a folder that debootstrap
# fills (needs root), and suites whose source of nginx is taken as it is

DEBIAN_SUITES =		trixie sid
SOURCE_SUITES =		trixie

# these start or steer an S3 server of their own, which other roots have not
OWN_S3_SUITES =		t/store-s3-credentials.t t/store-s3-hosts.t

.PHONY: test-versions


#: test-versions    the suites with the nginx of other Debian releases, and
#:                  with nginx from source
test-versions: $(DEBIAN_SUITES:%=test-debian-%) \
	$(SOURCE_SUITES:%=test-source-%)

# the S3 server is this machine's
test-debian-%: deps-versions
	@mk/debian-root $* $(BUILD)/debian-$* $(DEPS_BUILD) $(DEPS_SUITES)
	@t/parts run mk/in-root $(BUILD)/debian-$*/root \
		make suites BUILD=$(BUILD)/debian-$*/build UNIT_TESTS= \
		SUITES="$(filter-out $(OWN_S3_SUITES),$(MODULE_SUITES))"

test-source-%: deps-test
	@mk/nginx-source $* $(BUILD)/sources
	@$(MAKE) suites BUILD=$(BUILD)/source-$* \
		NGINX_SRC=$(abspath $(BUILD))/sources/$* \
		UNIT_TESTS= SUITES="$(MODULE_SUITES)"
