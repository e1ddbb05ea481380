
# nginx and the modules, out of tree.  nginx's own makefile knows what
# depends on what; here is only when to configure anew.

OBJS =			$(BUILD)/objs
NGINX =			$(if $(NGINX_SRC),$(abspath $(OBJS))/nginx,/usr/sbin/nginx)

# to nginx, a variable of that name is the sockets that it inherits
unexport NGINX

# more for the compiler and for the linker
NGINX_CFLAGS =
NGINX_LDFLAGS =

# in the order in which they are loaded
MODULES :=		$(shell sed -n \
				's/^ngx_module_name=\(ngx_[a-z_]*\)$$/\1/p' \
				config)
PROBES :=		$(patsubst t/probe/%.c,%_module,$(wildcard t/probe/*.c))

MODULE_FILES =		$(MODULES:%=$(BUILD)/modules/%.so)
PROBE_FILES =		$(PROBES:%=$(BUILD)/probes/%.so)

.PHONY: configure modules probes version


#: build            the modules, to build/modules, and tecken-symcache; with
#:                  NGINX_SRC=FOLDER nginx too, from a source tree
build: deps-build modules tool version

configure:
	@NGINX_SRC="$(NGINX_SRC)" CC="$(CC)" NGINX_CFLAGS="$(NGINX_CFLAGS)" \
		NGINX_LDFLAGS="$(NGINX_LDFLAGS)" mk/configure $(OBJS)

modules: configure
	@mk/make $(OBJS) $(BUILD)/modules $(MODULES)

probes: modules
	@mk/make $(OBJS) $(BUILD)/probes $(PROBES)

# what /__version__ shows
version: modules
	@mk/version > $(BUILD)/version.json
