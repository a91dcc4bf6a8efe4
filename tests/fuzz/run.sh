#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh FOLDER RUNS SECONDS NAME...: the fuzzers named: what is kept in tests/fuzz/corpus, then new inputs from a fixed seed, so that
# two runs do the same. Without RUNS, as many as take some seconds. With SECONDS, each for so long, two at a time, beginning with
# what was found before. What makes one fail is left in FOLDER/NAME.crash-*.
folder=$1 runs=$2 seconds=$3
shift 3
if [ $# -eq 0 ]; then		# a name that no fuzzer has is no success
	echo "FAIL fuzz: none is named"
	exit 1
fi

one() {
	name=$1 n=$runs limit=120
	if [ -z "$n" ]; then
		case $name in
		ext4_fuzz)	n=150 ;;
		roce_fuzz)	n=800 ;;
		storage_fuzz)	n=400 ;;
		fit_fuzz | conn_fuzz)	n=100 ;;
		member_fuzz)	n=3000 ;;
		memory_fuzz)	n=6000 ;;
		space_fuzz)	n=2000 ;;
		*)		n=20000 ;;
		esac
	fi
	[ -n "$runs" ] && limit=7200
	rm -rf "$folder/$name.kept"
	mkdir -p "$folder/$name.corpus" "$folder/$name.kept"
	/usr/bin/python3 "$(dirname "$0")/coverage.py" --unpack "$name" "$folder/$name.kept"
	[ -z "$(ls -A "$folder/$name.corpus")" ] && case $name in
	elf_fuzz)	head -c 20000 /bin/true > "$folder/$name.corpus/true" ;;
	esac
	set -- -seed=1 -max_len=20000 -print_final_stats=0 -verbosity=0 -artifact_prefix="$folder/$name." -timeout=60 -rss_limit_mb=4096
	if [ -n "$seconds" ]; then
		limit=$((seconds + 600)) what="$seconds s"
		set -- "$@" -max_total_time="$seconds" "$folder/$name.corpus" "$folder/$name.kept"
	elif [ -n "$runs" ]; then
		what="$n runs"
		set -- "$@" -runs="$n" "$folder/$name.corpus" "$folder/$name.kept"
	else
		what="$n runs"
		set -- "$@" -runs="$n"
	fi
	if { [ -z "$(ls -A "$folder/$name.kept")" ] ||
	     timeout "$limit" "$folder/$name" -artifact_prefix="$folder/$name." "$folder/$name.kept"/*; } > "$folder/$name.log" 2>&1 &&
	   timeout "$limit" "$folder/$name" "$@" >> "$folder/$name.log" 2>&1; then
		echo "ok   fuzz $name ($what)"
	else
		echo "FAIL fuzz $name"
		tail -n 30 "$folder/$name.log" | sed 's/^/     /'
		return 1
	fi
}

failed=0
if [ -n "$seconds" ]; then
	while [ $# -gt 0 ]; do
		one "$1" & first=$!
		if [ $# -gt 1 ]; then
			one "$2" & second=$!
			wait $second || failed=1
			shift
		fi
		wait $first || failed=1
		shift
	done
else
	for each; do
		one "$each" || failed=1
	done
fi
exit $failed
