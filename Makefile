
# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# everything that is made goes there
BUILD =			build

# a vanilla source tree of nginx; empty: the distribution's nginx
NGINX_SRC =

CC =			cc


# nginx's own makefile uses all processors; of ours, one step at a time
.NOTPARALLEL:

.PHONY: all build run test check install clean help

all: build

include mk/deps.mk
include mk/nginx.mk
include mk/tool.mk
include mk/run.mk
include mk/install.mk
include t/unit.mk
include mk/test.mk
include mk/check.mk
include mk/versions.mk
include mk/bench.mk


#: clean            remove build; run, with its logs, stays
clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^#: //p' $(MAKEFILE_LIST)
