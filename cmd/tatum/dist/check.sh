#!/bin/bash
# Tries what dist.sh made in DIR: makes it again from a clone at another place, with nothing compiled before, which must
# give the same bytes; then installs, uses and removes the package in a fresh root of debootstrap. Needs root.
#
# usage: check.sh DIR TARGET...
set -euo pipefail
dist=$(realpath "$1")
shift
cd "$(dirname "$(realpath "$0")")/../../.."
work=$(mktemp -d)
trap 'umount "$work/root/proc" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT

git clone -q . "$work/clone"
GOCACHE=$work/cache "$work/clone/cmd/tatum/dist/dist.sh" "$work/again" "$@" >/dev/null
diff "$dist/SHA256SUMS" "$work/again/SHA256SUMS"
(cd "$dist" && sha256sum --quiet -c SHA256SUMS)
echo "made twice, the same bytes"

root=$work/root
debootstrap --variant=minbase "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root" >"$work/log" || { tail "$work/log" >&2; exit 1; }

# in_root COMMAND...: as the root of the new system
in_root() {
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

# files: those of the new system, without what records that something was installed
files() {
	(cd "$root" && find . -xdev \( -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/cache -o -path ./var/log \) -prune -o -print | sort)
}

mount -t proc proc "$root/proc" # tatum finds itself there when it starts a process with libhdf5
cp "$dist"/tatum_*_amd64.deb "$root/tatum.deb"
files >"$work/before"
in_root apt-get install -y -qq /tatum.deb >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
in_root dpkg --verify tatum
in_root sh -euc '
	tatum version
	test -s /usr/share/man/man1/tatum-query-track.1.gz
	mkdir /job
	cd /job
	tatum demo --quiet songs
	tatum ingest --quiet songs
	tatum ingest --quiet --reader libhdf5 --db other.db songs
	tatum cluster --quiet >report
	tatum query members beats_start 7 --limit 3
	tatum store check
	cd /
	rm -r /job
'
in_root dpkg --purge tatum >/dev/null
files >"$work/after"
diff "$work/before" "$work/after"
echo "installed, used and removed; nothing left"
