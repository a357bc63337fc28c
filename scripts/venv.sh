#!/usr/bin/env bash
# Creates the virtual environment, installs the locked packages by hash, then Ballast itself.
set -euo pipefail
cd "$(dirname "$0")/.."

venv="${1:-.venv}"

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "Ballast needs Python 3.11 or newer: sudo apt-get install -y python3 python3-venv" >&2
    return 1
}

ensure_venv_module() {
    local python="$1" package
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "Python's venv module is missing: sudo apt-get install -y $package" >&2
        return 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null
}

install_with_uv() {
    "$venv/bin/pip" install --quiet --require-hashes -r requirements/installer.txt || return
    UV_SYSTEM_CERTS=1 UV_HTTP_TIMEOUT=20 UV_HTTP_RETRIES=1 timeout 300 \
        "$venv/bin/uv" pip install --quiet \
        --python "$venv/bin/python" --compile-bytecode --require-hashes -r requirements/lock.txt
}

install_with_pip() {
    "$venv/bin/pip" install --quiet --require-hashes -r requirements/lock.txt
}

export PIP_DISABLE_PIP_VERSION_CHECK=1
if ! "$venv/bin/pip" --version >/dev/null 2>&1; then
    python="$(find_python)"
    ensure_venv_module "$python"
    "$python" -m venv --clear "$venv"
fi
# uv installs in a fraction of pip's time; pip knows mirrors and proxies that uv may not.
install_with_uv || install_with_pip
"$venv/bin/pip" install --quiet --no-index --no-deps --no-build-isolation --editable .
