#!/bin/sh
# Compares every number of tatum with the reference's, for each random stream in a virtual environment with a release
# of scikit-learn that has it, on the demo's songs and on the real ones where they are.
#
# usage: parity.sh TATUM [SONGS_DIR...]
#
# The environment of sklearn-1.3 must be there; one of the others that cannot be made is skipped with a line that says so.
set -eu
tatum=$(realpath "$1")
shift
here=$(dirname "$(realpath "$0")")
# An OpenBLAS older than the processor does not know it and takes its oldest kernels, which round in another way.
if grep -qs avx512f /proc/cpuinfo; then
	export OPENBLAS_CORETYPE=SkylakeX
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

# check STREAM PYTHON SONGS_DIR
check() {
	dir=$work/$1-$(basename "$3")
	mkdir "$dir"
	echo "== $1, $3"
	"$2" "$here/reference.py" fit "$3" "$dir/reference" &&
		"$tatum" ingest --quiet --db "$dir/tatum.db" --arrays all "$3" &&
		"$tatum" cluster --quiet --db "$dir/tatum.db" --random-stream "$1" -o json >"$dir/report.json" &&
		"$tatum" export npy --db "$dir/tatum.db" "$dir/tatum" &&
		"$2" "$here/reference.py" compare "$dir/reference" "$dir/tatum" &&
		quality "$dir" "$2" &&
		sound "$dir" "$2" "$1" &&
		{ [ "$1" != sklearn-1.3 ] || { tables "$dir" "$2" && readme "$dir" "$2" && pictures "$dir" "$2" "$3"; }; }
}

# quality DIR PYTHON: the figures of quality
quality() {
	"$tatum" cluster list --db "$1/tatum.db" -o json >"$1/list.json" &&
		"$tatum" query clusters --db "$1/tatum.db" -o json >"$1/clusters.json" &&
		"$tatum" export npy --aligned --db "$1/tatum.db" "$1/aligned" &&
		"$2" "$here/reference.py" quality "$1/tatum" "$1"
}

# readme DIR PYTHON: the README's lines of Python, on what was exported
readme() {
	mkdir "$1/readme" && ln -s ../tatum "$1/readme/labels" && ln -s ../tables/parquet "$1/readme/tables" &&
		sed -n '/^```python$/,/^```$/p' "$here/../../../../README.md" | sed '1d;$d' >"$1/readme/lines.py" &&
		test -s "$1/readme/lines.py" &&
		(cd "$1/readme" && "$2" lines.py >said || { cat said; false; }) && echo "README's Python: $(head -n 1 "$1/readme/said")"
}

# pictures DIR PYTHON SONGS_DIR: the numbers in pictures
pictures() {
	plot() {
		name=$1
		shift
		"$tatum" plot "$@" --db "$dir/tatum.db" --out "$dir/picture.svg" --data "$dir/$name.csv" # dir is that of check
	}
	for feature in bars_start beats_start sections_start segments_loudness_max segments_loudness_max_time \
		segments_loudness_start segments_start tatums_start; do
		plot map-$feature map $feature && plot profile-$feature profile $feature && plot sizes-$feature sizes $feature || return 1
	done
	for k in 4 32; do
		"$tatum" cluster --quiet --db "$1/tatum.db" -k $k --name k$k >/dev/null &&
			"$tatum" export npy --aligned --db "$1/tatum.db" --name k$k "$1/k$k" || return 1
	done
	one=$(sed -n 3p "$1/tatum/track_ids.txt") other=$(sed -n 40p "$1/tatum/track_ids.txt")
	plot features features && plot song song "$one" && plot pair pair "$one" "$other" && plot k k beats_start -k 4,32 &&
		"$2" "$here/reference.py" pictures "$3" "$1"
}

# sound DIR PYTHON STREAM: timbre and pitches
sound() {
	"$tatum" cluster --quiet --db "$1/tatum.db" --random-stream "$3" --features all --name sound >/dev/null &&
		"$tatum" export npy --db "$1/tatum.db" --name sound "$1/sound" &&
		"$2" "$here/reference.py" sound "$1/reference" "$1/sound"
}

# tables DIR PYTHON: the tables that tatum exports, read by others
tables() {
	mkdir "$1/tables" &&
		"$tatum" export parquet --db "$1/tatum.db" "$1/tables/parquet" &&
		"$tatum" export csv --db "$1/tatum.db" "$1/tables/csv" &&
		"$2" "$here/reference.py" tables "$1/tatum" "$1/tables"
}

"$tatum" demo --quiet "$work/demo"
for stream in sklearn-1.3 sklearn-1.9 sklearn-1.2; do
	if ! python=$("$here/environment.sh" "$stream"); then
		if [ "$stream" = sklearn-1.3 ]; then
			echo "parity: no environment for $stream" >&2
			exit 1
		fi
		echo "skipped: $stream, whose releases cannot be installed here"
		skipped=$((skipped + 1))
		continue
	fi
	for songs in "$work/demo" "$@"; do
		if ! [ -d "$songs" ]; then
			echo "skipped: $songs is not there"
			skipped=$((skipped + 1))
		elif check "$stream" "$python" "$songs"; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
		fi
	done
done
echo "parity: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
