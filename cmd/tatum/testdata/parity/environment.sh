#!/bin/sh
# Makes the virtual environment of a random stream, unless it is there, and prints its python.
#
# usage: environment.sh STREAM
set -eu
packages=$(dirname "$(realpath "$0")")/$1.txt
venv=.venv-$1
if ! cmp -s "$packages" "$venv/packages.txt"; then
	rm -rf "$venv"
	"${PYTHON:-python3}" -m venv "$venv" >&2
	"$venv/bin/pip" install -q --disable-pip-version-check --only-binary :all: -r "$packages" >&2
	cp "$packages" "$venv/packages.txt"
fi
echo "$PWD/$venv/bin/python"
