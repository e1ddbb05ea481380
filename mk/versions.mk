
# Other versions of nginx than the one that is installed here.

# Debian suites with an nginx-dev of their own, in a folder that debootstrap
# fills (needs root), and suites whose source of nginx is taken as it is

DEBIAN_SUITES =		trixie sid
SOURCE_SUITES =		trixie

.PHONY: test-versions


#: test-versions    the suites with the nginx of other Debian releases, and
#:                  with nginx from source
test-versions: $(DEBIAN_SUITES:%=test-debian-%) \
	$(SOURCE_SUITES:%=test-source-%)

# the modules are built in there, and nginx runs in there; the suites and the
# servers that they need are this machine's
test-debian-%: deps-versions
	@mk/debian-root $* $(BUILD)/debian-$* $(DEPS_BUILD) $(DEPS_PRELOAD)
	@mk/root-mounts $(BUILD)/debian-$*/root \
		mk/in-root $(BUILD)/debian-$*/root \
		make build probes BUILD=$(BUILD)/debian-$*/build
	@mk/root-mounts $(BUILD)/debian-$*/root \
		$(MAKE) prove BUILD=$(BUILD)/debian-$*/build UNIT_TESTS= \
		NGINX=$(abspath $(BUILD))/debian-$*/nginx \
		SUITES="$(MODULE_SUITES)"

test-source-%: deps-test
	@mk/nginx-source $* $(BUILD)/sources
	@$(MAKE) suites BUILD=$(BUILD)/source-$* \
		NGINX_SRC=$(abspath $(BUILD))/sources/$* \
		UNIT_TESTS= SUITES="$(MODULE_SUITES)"
