#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh FOLDER RUNS NAME...: the fuzzers named, each from a fixed seed, so that two runs do the same. Without RUNS, as many
# as take some seconds. What makes one fail is left in FOLDER/NAME.crash-*.
folder=$1 runs=$2 failed=0
shift 2
for name; do
	case ${runs:+given}$name in
	given*)		n=$runs ;;
	ext4_fuzz)	n=150 ;;
	roce_fuzz)	n=1500 ;;
	fit_fuzz)	n=200 ;;
	*)		n=20000 ;;
	esac
	limit=60
	[ -n "$runs" ] && limit=7200
	mkdir -p "$folder/$name.corpus"
	[ -z "$(ls -A "$folder/$name.corpus")" ] && case $name in
	elf_fuzz)	head -c 20000 /bin/true > "$folder/$name.corpus/true" ;;
	esac
	if timeout "$limit" "$folder/$name" -seed=1 -runs="$n" -max_len=20000 -print_final_stats=0 -verbosity=0 \
		-artifact_prefix="$folder/$name." -timeout=20 -rss_limit_mb=4096 ${runs:+"$folder/$name.corpus"} > "$folder/$name.log" 2>&1; then
		echo "ok   fuzz $name ($n runs)"
	else
		echo "FAIL fuzz $name"
		tail -n 30 "$folder/$name.log" | sed 's/^/     /'
		failed=1
	fi
done
exit $failed
