
# Where Debian's nginx looks for modules; DESTDIR for packagers.

DESTDIR =
MODULES_DIR =		/usr/lib/nginx/modules
BIN_DIR =		/usr/bin
DOC_DIR =		/usr/share/doc/ngx-tecken
CONF_DIR =		/etc/nginx

#: install          modules, tecken-symcache, rules and documents; DESTDIR=,
#:                  MODULES_DIR=, BIN_DIR=, DOC_DIR=, CONF_DIR=
install: build
	install -d $(DESTDIR)$(MODULES_DIR) $(DESTDIR)$(BIN_DIR) \
		$(DESTDIR)$(DOC_DIR)/docs $(DESTDIR)$(CONF_DIR)/antenna
	install -m 644 $(MODULE_FILES) $(DESTDIR)$(MODULES_DIR)
	install -m 755 $(TOOL) $(DESTDIR)$(BIN_DIR)
	install -m 644 README.md LICENSE nginx.conf.example \
		$(DESTDIR)$(DOC_DIR)
	install -m 644 $(wildcard docs/*) $(DESTDIR)$(DOC_DIR)/docs
	install -m 644 $(wildcard conf/antenna/*.conf) \
		$(DESTDIR)$(CONF_DIR)/antenna
