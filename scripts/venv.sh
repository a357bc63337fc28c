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

python="$(find_python)"
ensure_venv_module "$python"
"$python" -m venv --clear "$venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$venv/bin/pip" install --quiet --require-hashes --no-deps -r requirements/lock.txt
"$venv/bin/pip" install --quiet --no-deps --no-build-isolation --no-index --editable .
