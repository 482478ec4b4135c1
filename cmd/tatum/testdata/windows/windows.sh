#!/usr/bin/env bash
# Does with the Windows build, under wine, what a user of it would, and compares
# its results with those of the build for this machine.
#
#	windows.sh TATUM TATUM.EXE DIR
#
# DIR keeps wine's files, which take a while to make.
set -euo pipefail
tatum=$(realpath "$1") exe=$(realpath "$2") here=$(dirname "$(realpath "$0")")
mkdir -p "$3" && cd "$3"

# Without a display, and without what wine would ask to install.
unset DISPLAY WAYLAND_DISPLAY
export WINEPREFIX=$PWD/wine WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml= TERM=xterm TATUM_DB=
wine=/usr/lib/wine/wine64 # as Debian has it

if [ ! -d wine ]; then
	"$wine" wineboot -i </dev/null >/dev/null 2>&1 || { rm -rf wine; echo "wine does not start" >&2; exit 1; }
fi
x86_64-w64-mingw32-gcc -O2 -shared -o wine/drive_c/windows/system32/bcryptprimitives.dll "$here/bcryptprimitives.c" -ladvapi32

rm -rf work && mkdir work && cd work
windows() { timeout 120 "$wine" "$exe" "$@"; }
step() { echo "windows: $*"; }
fail() { echo "windows: $*" >&2; exit 1; }

# same NAME ARG... compares what a command prints here and there.
same() {
	local name=$1
	shift
	"$tatum" "$@" --db linux.db >"$name.linux"
	windows "$@" --db windows.db >"$name.windows"
	cmp "$name.linux" "$name.windows"
}

# exits CODE ARG... runs a command that is to end with the exit code.
exits() {
	local want=$1 got=0
	shift
	windows "$@" >out 2>err || got=$?
	[ "$got" = "$want" ] || fail "$* ends with $got, not $want: $(cat out err)"
}

step the readers of this build
windows version | grep -q 'windows/amd64, readers: direct.*$' || fail version

step ingest, cluster and query, as on Linux
"$tatum" demo --quiet songs >/dev/null
same ingest ingest songs
same again ingest songs
same cluster cluster
same track query track TRAAPOB12896A14E9C
same members query members beats_start 7 -o json
same clusters query clusters bars_start -o csv
same similar query similar TRAAPOB12896A14E9C -o tsv
same search query search quiet river

step the same files, byte for byte, also where an export was before
"$tatum" export npy --db linux.db npy-linux
for _ in 1 2; do windows export npy --db windows.db npy-windows; done
diff -r npy-linux npy-windows
[ "$(ls npy-linux/*.npy | wc -l)" -ge 8 ] || fail "too few files"

step check, backup, compact
windows store check --recompute --db windows.db
windows store backup --db windows.db copy.db
windows store compact --db windows.db
windows store check --db copy.db
exits 1 store backup --db windows.db copy.db

step files and commands that need libhdf5
exits 3 ingest --db foreign.db "$here/../../../../ingest/msd/testdata/foreign"
grep -q 'needs libhdf5, which this build of tatum does not have' err || fail "$(cat err)"
exits 2 ingest --db foreign.db --reader libhdf5 songs
exits 1 demo more
exits 10 store info --db none.db

step Ctrl-C during an ingest
"$tatum" demo --quiet --songs 1200 --seed 2 many >/dev/null
# script gives it a terminal, at which ^C is typed once a song may be stored.
{
	for _ in $(seq 600); do [ -e many.db ] && break; sleep 0.1; done
	sleep 0.5
	printf '\003'
	for _ in $(seq 600); do [ -e ended ] && break; sleep 0.1; done
} | {
	code=0
	timeout 120 script -qefc "'$wine' '$exe' ingest --db many.db --workers 1 --arrays all many" typed >/dev/null 2>&1 || code=$?
	touch ended
	[ "$code" = 130 ] || fail "an interrupted ingest ends with $code: $(cat typed)"
}
windows store check --db many.db

step a second writer, while the ingest goes on
windows ingest --quiet --wait 1m --db many.db --workers 1 --arrays all many >first &
first=$!
refused=0
while kill -0 $first 2>/dev/null; do
	code=0
	windows cluster --db many.db >/dev/null 2>err || code=$?
	if [ $code = 11 ]; then
		grep -q 'store is locked by "tatum.exe ingest .*(process [0-9]*), which has to finish first' err || fail "$(cat err)"
		refused=$((refused + 1))
	fi
	windows query search --db many.db river >/dev/null # answered meanwhile
done
wait $first
[ $refused -gt 0 ] || fail "no second writer was refused"
grep -Eq '^[1-9][0-9]* added, 0 replaced, [1-9][0-9]* unchanged, 0 duplicate, 0 bad$' first || fail "$(cat first)"
windows store check --recompute --db many.db

echo "windows: all as on Linux"
