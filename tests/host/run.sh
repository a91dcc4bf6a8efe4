#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the unit-test binaries named (below $O), each with a time limit; one line each, then a summary. Used by build.mk.
passed=0 failed=0
for t; do
	if [ ! -x "$O/$t" ]; then
		echo "FAIL unit $t (did not build)"
		failed=$((failed + 1))
	elif timeout "${UNIT_TIMEOUT:-120}" "$O/$t" > "$O/$t.log" 2>&1 < /dev/null; then
		echo "ok   unit $t"
		passed=$((passed + 1))
	else
		status=$?
		echo "FAIL unit $t (status $status)"
		tail -n 40 "$O/$t.log" | sed 's/^/     /'
		failed=$((failed + 1))
	fi
done
echo "unit tests: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
