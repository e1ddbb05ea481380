# tecken-symcache, of floor 0 alone; flags and libraries are in t/unit.mk.

TOOL =			$(BUILD)/tecken-symcache
TOOL_OBJS =		$(patsubst tools/%.c,$(BUILD)/tool/%.o, \
				$(wildcard tools/*.c))
TOOL_DEPS =		$(wildcard tools/*.h common/sym/*.h common/wire/*.h)

# of floor 0 what is asked for
FLOOR0_LIB =		$(BUILD)/tool/floor0.a
FLOOR0_OBJS =		$(patsubst %.c,$(BUILD)/tool/%.o,$(notdir \
				$(wildcard common/sym/*.c common/wire/*.c)))

TOOL_CFLAGS =		-O2 -g

.PHONY: tool

#: tool             build/tecken-symcache, symcaches on the command line
tool: deps-build $(TOOL)

$(TOOL): $(TOOL_OBJS) $(FLOOR0_LIB)
	$(CC) $(TOOL_CFLAGS) -pthread -o $@ $^ -Wl,--as-needed $(FLOOR0_LIBS)

$(BUILD)/tool/%.o: tools/%.c $(TOOL_DEPS) | $(BUILD)/tool
	$(CC) $(FLOOR0_CFLAGS) $(TOOL_CFLAGS) -pthread -c -o $@ $<

$(BUILD)/tool/%.o: common/sym/%.c $(TOOL_DEPS) | $(BUILD)/tool
	$(CC) $(FLOOR0_CFLAGS) $(TOOL_CFLAGS) -c -o $@ $<

$(BUILD)/tool/%.o: common/wire/%.c $(TOOL_DEPS) | $(BUILD)/tool
	$(CC) $(FLOOR0_CFLAGS) $(TOOL_CFLAGS) -c -o $@ $<

$(FLOOR0_LIB): $(FLOOR0_OBJS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/tool:
	mkdir -p $@
