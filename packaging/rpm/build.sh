#!/usr/bin/env bash
# Build source and binary packages of this checkout, in the layouts of Enterprise Linux 9 and 10, and check them with
# rpmlint. This runs on Debian with its own macros (macros.debian): the files are those of Enterprise Linux, the builder
# is not.
#
#     build.sh [FOLDER [OPTION...]]      into FOLDER/el9 and FOLDER/el10; the default is build/rpm
#
# The options are rpmbuild's: `--without tests` leaves the unit tests out. Packages that are there already, of these very
# files and with these options, stay as they are.
#
# The environments for the builds are in VOMAP_RPM_VENVS, by default in FOLDER/venv.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
mkdir -p "${1:-$top/build/rpm}"
output=$(cd "${1:-$top/build/rpm}" && pwd)
options=("${@:2}")
venvs=${VOMAP_RPM_VENVS:-$output/venv}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

require() {
    # require PROGRAM PACKAGE: fail without the program, and name its package.
    command -v "$1" >/dev/null || { echo "$1 is missing: apt-get install $2" >&2; exit 1; }
}

interpreter() {
    # No list of packages has pyenv's interpreters. A missing one is a failure.
    local found
    found=$(ls -d "$(pyenv root)/versions/$1".*/bin/python 2>/dev/null | sort -V | tail -n 1)
    [ -x "$found" ] || { echo "Python $1 is missing: the packages must be built with it" >&2; exit 1; }
    echo "$found"
}

source_archive() {
    # The files of the checkout, changed ones as they are now, without those that git ignores. The bytes are always the
    # same.
    local name=vomap-$version
    git -C "$top" ls-files -z --cached --others --exclude-standard |
        (cd "$top" && xargs -0 sh -c 'for file; do [ ! -e "$file" ] || printf "%s\0" "$file"; done' _) |
        LC_ALL=C sort -zu |
        tar -C "$top" --create --null --files-from=- --transform="s,^,$name/," --owner=0 --group=0 --numeric-owner \
            --mode=u=rwX,go=rX --mtime="@$(git -C "$top" log -1 --format=%ct)" | gzip -n >"$archive"
}

environment() {
    # environment FOLDER PYTHON CONSTRAINTS PYTEST: install the libraries of the target's builder.
    local wanted
    wanted=$(echo "$2 pytest==$4"; cat "$3")
    [ "$(cat "$1/holds" 2>/dev/null)" != "$wanted" ] || return 0
    rm -rf "$1"
    "$2" -m venv "$1"
    local pip=("$1/bin/pip" install -q --disable-pip-version-check -c "$3")
    "${pip[@]}" setuptools wheel
    # PyYAML 5.4.1 builds only with a Cython of its time.
    if grep -q '^pyyaml==5' "$3"; then
        "${pip[@]}" 'cython<3'
        "${pip[@]}" --no-build-isolation pyyaml
    fi
    "${pip[@]}" "pytest==$4" pyyaml jsonschema pyjwt cryptography requests
    echo "$wanted" >"$1/holds"
}

lint() {
    rpmlint --strict -c "$here/rpmlint.toml" "$@" >"$work/lint" 2>&1 || { cat "$work/lint" >&2; exit 1; }
    tail -n 1 "$work/lint"
}

build() {
    # build RELEASE PYTHON PYTEST: the packages of one Enterprise Linux.
    local release=$1 python folder="$work/el$1" sources
    python=$(interpreter "$2")
    printf '== Enterprise Linux %s, Python %s\n' "$release" "$2"
    environment "$venvs/el$release" "$python" "$top/tests/constraints-el$release.txt" "$3"
    # This program, the specs and the versions of the libraries are among the sources.
    sources="$(sha256sum <"$archive") ${options[*]}"
    [ "$(cat "$output/el$release/built-from" 2>/dev/null)" != "$sources" ] || return 0
    mkdir -p "$folder/SOURCES"
    cp "$archive" "$top/mapfiles/osg.yaml" "$top/LICENSE" "$folder/SOURCES"
    local spec source
    for spec in "$here"/*.spec; do
        # Debian has no packages with the names of the build requirements.
        rpmbuild --load "$here/macros.debian" --define "buildhost_python $venvs/el$release/bin/python" \
            --define "_topdir $folder" --define "dist .el$release" --define "rhel $release" \
            --nodeps "${options[@]}" -ba "$spec" >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
    done
    rm -rf "${output:?}/el$release"
    mkdir "$output/el$release"
    mv "$folder"/SRPMS/*.rpm "$folder"/RPMS/noarch/*.rpm "$output/el$release"
    lint "$output/el$release"/*.noarch.rpm
    for source in "$output/el$release"/*.src.rpm; do
        # One by one: rpmlint takes the specs of several packages for those of one.
        lint "$source"
    done
    echo "$sources" >"$output/el$release/built-from"
}

require rpmbuild rpm
require rpmlint rpmlint
# Without this, rpm finds no requirements of Python code, and does not warn.
/usr/bin/python3 -c 'import packaging' 2>/dev/null ||
    { echo "packaging is missing: apt-get install python3-packaging" >&2; exit 1; }
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$top/plugins/vomap/__init__.py")
grep -qx "Version: *$version" "$here/vomap.spec" || { echo "vomap.spec is not of version $version" >&2; exit 1; }

archive=$work/vomap-$version.tar.gz
source_archive
build 9 3.9 6.2.2
build 10 3.12 7.4.3
ls "$output"/el*/*.rpm
