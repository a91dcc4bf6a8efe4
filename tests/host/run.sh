#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the unit-test binaries named (below $O); one line each, then a summary. Used by build.mk. Each has UNIT_CPU_SECONDS of CPU time,
# which a busy machine does not use up, and a generous time in all, for one that waits for what never comes.
passed=0 failed=0
for t; do
	if [ ! -x "$O/$t" ]; then
		echo "FAIL unit $t (did not build)"
		failed=$((failed + 1))
	elif (ulimit -t "${UNIT_CPU_SECONDS:-120}"; exec timeout "${UNIT_SECONDS:-1200}" "$O/$t") > "$O/$t.log" 2>&1 < /dev/null; then
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
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]	# a name that no test has is no success
