#!/bin/sh
# Builds CPython 3.13 without a GIL for `ftpipe bench runtime`, where it is not there yet: into cpython-ft/ of FTPIPE_PEERS
# (default: ~/.cache/ftpipe-peers), with a link in its bin/.
#
#   tests/bench/peers/setup_cpython.sh                         Debian's source of it
#   tests/bench/peers/setup_cpython.sh Python-3.13.N.tar.xz    this source
#
# Debian has no such binary, but the mirror that apt is set up with also keeps the sources of newer releases. apt fetches
# and checks them with lists and a state of its own; the system's stay as they are.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../../.." && pwd)
. "$root/tools/setup.sh"
peers=${FTPIPE_PEERS:-$HOME/.cache/ftpipe-peers}
name=python3.13t
source=${1:-}

if "$peers/bin/$name" -c 'import sys; sys.exit(sys._is_gil_enabled())' 2>/dev/null; then
    setup_say "$("$peers/bin/$name" -VV) is there: $peers/bin/$name"
    exit 0
fi
setup_packages "building CPython" gcc libc6-dev make xz-utils
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Prints the addresses that packages of this release come from: Debian's mirror, perhaps others too.
mirrors() {
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    grep -qx ID=debian /etc/os-release && command -v apt-get >/dev/null &&
        apt-get update --print-uris | sed -n "s|^'\(.*\)/dists/$codename/InRelease'.*|\1|p"
}

# The upstream source that Debian 13 keeps, without its patches; its signature tells Debian's mirror from others.
fetch() {
    mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $1 trixie main" >"$work/sources.list"
    cd "$work"
    set -- -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State="$work/state" -o Dir::Cache="$work/cache" -o APT::Sandbox::User="$(id -un)"
    apt-get "$@" update && apt-get "$@" source --download-only --tar-only python3.13
}

if [ -z "$source" ]; then
    setup_say "fetching the source of CPython 3.13"
    for mirror in $(mirrors); do
        (fetch "$mirror") >&2 && break
    done
    source=$(find "$work" -maxdepth 1 -name 'python3.13_*.orig.tar.xz')
    if [ -z "$source" ]; then
        setup_say "none of apt's mirrors has it (not Debian?): give the source, $0 Python-3.13.N.tar.xz"
        exit 1
    fi
fi

mkdir "$work/source" "$work/build"
tar -xf "$source" -C "$work/source" --strip-components=1
setup_say "building it (the log: $peers/logs/cpython-ft.log)"
mkdir -p "$peers/bin" "$peers/logs"
(
    cd "$work/build"
    # CPython's own optimisation, without debug information; training (--enable-optimizations) would take many minutes.
    OPT="-O3 -Wall" ../source/configure --disable-gil --without-ensurepip --prefix="$peers/cpython-ft" &&
        make -j "$(nproc)" &&
        rm -rf "$peers/cpython-ft" &&
        make altinstall
) >"$peers/logs/cpython-ft.log" 2>&1 || {
    setup_say "could not build it:"
    tail -n 5 "$peers/logs/cpython-ft.log" >&2
    exit 1
}
ln -sf "../cpython-ft/bin/$name" "$peers/bin/$name"
setup_say "installed $("$peers/bin/$name" -VV): $peers/bin/$name"
