#!/usr/bin/env bash
# Provides the programs that the tests start themselves: PostgreSQL, Mosquitto, Chromium.
# The tests run private instances; servers that a package would start stay stopped.
set -euo pipefail

have() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }
have_postgres() { have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
have_chromium() { have chromium || have chromium-browser || have google-chrome; }

missing=()
have_postgres || missing+=(postgresql)
have mosquitto || missing+=(mosquitto)
have_chromium || missing+=(chromium)
[ "${#missing[@]}" -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
fi

if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
    echo "WARNING: not installed, their tests are SKIPPED: ${missing[*]}" >&2
    echo "         sudo apt-get install -y ${missing[*]}" >&2
    exit 0
fi

# RUNLEVEL=1 makes Debian's service scripts install without starting; systemd needs to be told.
install=(env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get)
"${as_root[@]}" "${install[@]}" update -qq
"${as_root[@]}" "${install[@]}" install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
if [ -d /run/systemd/system ]; then
    for package in "${missing[@]}"; do
        [ "$package" = chromium ] || "${as_root[@]}" systemctl disable --quiet --now "$package"
    done
fi
