#!/bin/bash
# Makes what is released of the commit that is checked out: an archive of each build, a Debian package of the full
# Linux build, and their SHA-256 sums. The same commit, Go and C libraries give the same bytes.
#
# usage: dist.sh DIR TARGET...     where a target is GOOS-GOARCH, for the builds without libhdf5
#
# The full build is linux-amd64-libhdf5. What it links in beside Go modules comes from Debian's packages.
set -euo pipefail
out=$(realpath -m "$1")
shift
cd "$(dirname "$(realpath "$0")")/../../.."
GO=${GO:-go}

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build FILE: the program for GOOS, GOARCH and CGO_ENABLED of the environment
build() {
	$GO build -buildvcs=true -trimpath -ldflags '-s -w' -o "$1" ./cmd/tatum
}

# quietly COMMAND...: runs it and shows what it says only if it fails
quietly() {
	"$@" >"$work/said" 2>&1 || { cat "$work/said" >&2; return 1; }
}

# static: the Debian packages whose archives the full build links in, as its sources name them
static() {
	grep -oh -e '-l:[a-z0-9_]*\.a' ingest/*/*.go | sort -u | while read -r flag; do
		dpkg -S "*/${flag#-l:}" | grep -v /openmpi/ | grep -v /mpich/ | sed 's/:.*//'
	done | sort -u
}

# beside DIR TATUM: what goes with a program, where TATUM is one with the same commands that runs here
beside() {
	cp README.md CHANGELOG.md LICENSE SECURITY.md "$1"
	"$2" man "$1/man1" >/dev/null
	mkdir "$1/completions"
	for shell in bash zsh fish powershell; do
		"$2" completion "$shell" >"$1/completions/tatum.$shell"
	done
}

# Modules with licenses that go-licenses does not know or not find: CC-BY-4.0; FTL (or GPL), chosen here; OFL, of fonts.
OTHERS="github.com/ajstarks/svgo github.com/golang/freetype codeberg.org/go-fonts/liberation"

# licenses DIR: the texts for GOOS, GOARCH and CGO_ENABLED of the environment; an unknown or a forbidding one is an error
licenses() {
	quietly "$work/go-licenses" check $(printf -- '--ignore %s ' $OTHERS) --disallowed_types=forbidden,restricted,unknown ./cmd/tatum
	quietly "$work/go-licenses" save $(printf -- '--ignore %s ' tatum $OTHERS) --save_path="$1" ./cmd/tatum
	for module in $OTHERS; do
		from=$($GO list -m -f '{{.Dir}}' "$module")
		mkdir -p "$1/$module"
		cp "$from"/LICENSE* "$1/$module"
		if [ -e "$from/licenses/ftl.txt" ]; then cp "$from/licenses/ftl.txt" "$1/$module"; fi
	done
	mkdir "$1/go" && cp "$($GO env GOROOT)/LICENSE" "$1/go"
}

# pack TARGET: $work/tatum-VERSION-TARGET as an archive in $out
pack() {
	name=tatum-$version-$1
	chmod -R u=rwX,go=rX "$work/$name"
	find "$work/$name" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	case $1 in
	windows-*) (cd "$work" && find "$name" -type f | sort | zip -9 -q -X -@ "$out/$name.zip") ;;
	*) tar -C "$work" -c --sort=name --format=gnu --owner=0 --group=0 --numeric-owner "$name" | gzip -9n >"$out/$name.tar.gz" ;;
	esac
}

GOBIN=$work quietly $GO install github.com/google/go-licenses@v1.6.0
rm -rf "$out"
mkdir -p "$out"

build "$work/full"
version=$("$work/full" version -o csv | sed '1d;s/,.*//')
full=$work/tatum-$version-linux-amd64-libhdf5
mkdir "$full"
mv "$work/full" "$full/tatum"
beside "$full" "$full/tatum"
licenses "$full/licenses"
static=$(static)
for package in $static; do
	mkdir "$full/licenses/$package" && cp "/usr/share/doc/$package/copyright" "$full/licenses/$package"
done
# What is in it, to be compared with lists of known faults.
(cd "$full" && $GO version -m tatum && echo && dpkg-query -W -f '${Package} ${Version}\n' $static) >"$full/BUILD.txt"
pack linux-amd64-libhdf5

export CGO_ENABLED=0
GOOS=$($GO env GOHOSTOS) GOARCH=$($GO env GOHOSTARCH) build "$work/tatum"
for target; do
	export GOOS=${target%-*} GOARCH=${target#*-}
	dir=$work/tatum-$version-$target
	mkdir "$dir"
	build "$dir/tatum$($GO env GOEXE)"
	beside "$dir" "$work/tatum"
	licenses "$dir/licenses"
	(cd "$dir" && $GO version -m tatum*) >"$dir/BUILD.txt"
	pack "$target"
done

# The package has the same files, where Debian keeps such.
deb=$work/deb
share=$deb/usr/share
mkdir -p "$deb/DEBIAN" "$deb/usr/bin" "$share/doc/tatum" "$share/man/man1" "$share/bash-completion/completions" \
	"$share/zsh/vendor-completions" "$share/fish/vendor_completions.d"
cp "$full/tatum" "$deb/usr/bin"
cp "$full/man1/"* "$share/man/man1"
cp "$full/completions/tatum.bash" "$share/bash-completion/completions/tatum"
cp "$full/completions/tatum.zsh" "$share/zsh/vendor-completions/_tatum"
cp "$full/completions/tatum.fish" "$share/fish/vendor_completions.d"
cp -r README.md SECURITY.md "$full/BUILD.txt" "$full/licenses" "$share/doc/tatum"
cp LICENSE "$share/doc/tatum/copyright"
cp CHANGELOG.md "$share/doc/tatum/changelog"
gzip -9n "$share/man/man1/"* "$share/doc/tatum/changelog"
glibc=$(objdump -T "$full/tatum" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
cat >"$deb/DEBIAN/control" <<END
Package: tatum
Version: ${version/-/\~}
Architecture: amd64
Maintainer: the tatum authors <tatum@localhost>
Depends: libc6 (>= ${glibc#GLIBC_})
Installed-Size: $(find "$deb/usr" -type f -printf '%s\n' | awk '{ kb += int(($1 + 1023) / 1024) } END { print kb }')
Section: science
Priority: optional
Description: feature store for song analysis data
 tatum reads the HDF5 files of the Million Song Dataset once, keeps every song's
 analysis arrays and statistics in one file, clusters the songs out of fold with
 scikit-learn's numbers, and answers questions about tracks and clusters.
END
(cd "$deb" && find usr -type f | sort | xargs -d '\n' md5sum) >"$deb/DEBIAN/md5sums"
chmod -R u=rwX,go=rX "$deb"
DPKG_DEB_THREADS_MAX=1 dpkg-deb --root-owner-group -Zxz --build "$deb" "$out/tatum_${version/-/\~}_amd64.deb" >/dev/null

cd "$out"
sha256sum -- * >"$work/sums"
mv "$work/sums" SHA256SUMS
cat SHA256SUMS
