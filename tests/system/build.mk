# SPDX-License-Identifier: MIT
# Tests over whole clusters. tool_test.py needs no kernels: fake nodes stand in for them.

.PHONY: check-tools check-tool
check-tools: check-tool
check-tool: tools user-programs images
	$(Q)TANGRAM_BUILD=$(abspath $(O)) /usr/bin/python3 tests/system/tool_test.py
