#!/usr/bin/env bash
# Provides the programs that the tests start themselves: PostgreSQL, Mosquitto, Chromium.
# The tests run private instances; servers that a package would start stay stopped.
set -euo pipefail

have_postgres() { command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
have_mosquitto() { command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ]; }
have_chromium() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; }

missing=()
have_postgres || missing+=(postgresql)
have_mosquitto || missing+=(mosquitto)
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

# RUNLEVEL=1 tells Debian's service scripts that the system is in single-user mode: install, do not start.
install=(env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get)
"${as_root[@]}" "${install[@]}" update -qq
"${as_root[@]}" "${install[@]}" install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
