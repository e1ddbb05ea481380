
RUN_DIR =		run
PORT =			8000
CRASHES =


#: run              a symbol server on 127.0.0.1:8000 with a few symbols, in
#:                  the foreground; PORT=, RUN_DIR=, CRASHES=: where crashes go,
#:                  a URL and options as of tecken_storage
run: deps-run build
	@bin/run --nginx $(NGINX) --build $(BUILD) --dir $(RUN_DIR) --port $(PORT) \
		--crashes '$(CRASHES)'
