
RUN_DIR =		run
PORT =			8000


#: run              a symbol server on 127.0.0.1:8000 with a few symbols, in
#:                  the foreground; PORT=, RUN_DIR=
run: deps-run build
	@bin/run --nginx $(NGINX) --build $(BUILD) --dir $(RUN_DIR) --port $(PORT)
