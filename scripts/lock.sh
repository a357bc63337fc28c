#!/usr/bin/env bash
# Resolves the dependencies in pyproject.toml and writes the hashed lock files.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-python3.11}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pip-tools

compile() {
    local output="$1"
    shift
    CUSTOM_COMPILE_COMMAND="make lock" "$work/venv/bin/pip-compile" \
        --quiet --generate-hashes --strip-extras --allow-unsafe \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
        --output-file "$output" "$@" </dev/null
}

mkdir -p requirements
compile requirements/lock.txt pyproject.toml --extra agent --extra orchestrator --extra bench --extra dev "$@"
compile requirements/agent.txt pyproject.toml --extra agent "$@"
compile requirements/installer.txt requirements/installer.in "$@"
