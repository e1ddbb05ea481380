# tecken-symcache, of floor 0 alone; flags and libraries are in t/unit.mk.

TOOL =			$(BUILD)/tecken-symcache
TOOL_OBJS =		$(patsubst %.c,$(BUILD)/tool/%.o,$(notdir \
				$(wildcard tools/*.c common/sym/*.c \
				common/wire/tk_inflate*.c)))
TOOL_DEPS =		$(wildcard tools/*.h common/sym/*.h common/wire/*.h)
TOOL_CFLAGS =		-O2 -g

.PHONY: tool

#: tool             build/tecken-symcache, symcaches on the command line
tool: deps-build $(TOOL)

$(TOOL): $(TOOL_OBJS)
	$(CC) $(TOOL_CFLAGS) -pthread -o $@ $^ -Wl,--as-needed $(FLOOR0_LIBS)

$(BUILD)/tool/%.o: tools/%.c $(TOOL_DEPS) | $(BUILD)/tool
	$(CC) $(FLOOR0_CFLAGS) $(TOOL_CFLAGS) -pthread -c -o $@ $<

$(BUILD)/tool/%.o: common/sym/%.c $(TOOL_DEPS) | $(BUILD)/tool
	$(CC) $(FLOOR0_CFLAGS) $(TOOL_CFLAGS) -c -o $@ $<

$(BUILD)/tool/%.o: common/wire/%.c $(TOOL_DEPS) | $(BUILD)/tool
	$(CC) $(FLOOR0_CFLAGS) $(TOOL_CFLAGS) -c -o $@ $<

$(BUILD)/tool:
	mkdir -p $@
