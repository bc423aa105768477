#!/bin/sh
# Makes the virtual environment and installs the locked dependencies, if that is not done yet.
#
# Usage: scripts/setup.sh run|dev
#   run: what the venue needs (requirements.txt)    dev: and what its tests and checks need
#
# Environment: PYTHON  the interpreter to use, 3.11 to 3.13 (default: the first that is found)
#              VENV    the environment's folder (default: .venv)
#
# Installs again only when the lock file's content or the interpreter changed.
set -eu
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
VERSION_CHECK='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
VENV_CHECK='import ensurepip, venv, ssl, sqlite3'

case ${1:-} in
    run) lock=requirements.txt ;;
    dev) lock=requirements-dev.txt ;;
    *) sed -n '4,5s/^# //p' "$0" >&2; exit 2 ;;
esac

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# A name may exist and not work: pyenv has one for every version, chosen or not.
is_suitable() {
    "$1" -c "$VERSION_CHECK" >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_suitable "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13 that works."
        "$PYTHON" -c "$VENV_CHECK" >/dev/null 2>&1 || fail_without_venv "$PYTHON"
        echo "$PYTHON"
        return
    fi
    without_venv=
    for candidate in python3 python3.13 python3.12 python3.11 python; do
        is_suitable "$candidate" || continue
        if "$candidate" -c "$VENV_CHECK" >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
        without_venv=${without_venv:-$candidate}
    done
    [ -z "$without_venv" ] || fail_without_venv "$without_venv"
    fail "Rialto needs Python 3.11, 3.12 or 3.13, and none is on PATH." \
        "Debian 12 and newer, Ubuntu 24.04 and newer: sudo apt-get install python3 python3-venv" \
        "macOS: brew install python@3.12" \
        "If you have one elsewhere: make PYTHON=/path/to/python3.12 ..."
}

fail_without_venv() {
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "Python $version is here, but it cannot make virtual environments (venv, ensurepip, ssl and" \
        "sqlite3 are needed). Debian and Ubuntu: sudo apt-get install python$version-venv" \
        "Or name another interpreter: make PYTHON=/path/to/python3.12 ..."
}

# The environment's own interpreter, if it still works (its base may have been removed or upgraded).
if [ -x "$VENV/bin/python" ] && is_suitable "$VENV/bin/python"; then
    :
else
    python=$(find_python)
    echo "Making the virtual environment $VENV with $("$python" --version)" >&2
    rm -rf "$VENV"
    "$python" -m venv "$VENV"
fi

fingerprint() {
    { cat "$1"; "$VENV/bin/python" --version; } | cksum
}

# Everything of requirements.txt is in requirements-dev.txt, in the same versions.
current() {
    [ -f "$VENV/.installed-$1" ] && [ "$(fingerprint "$2")" = "$(cat "$VENV/.installed-$1")" ]
}

current dev requirements-dev.txt && exit 0
[ "$1" = run ] && current run requirements.txt && exit 0

echo "Installing the locked dependencies of $lock (once; about a minute)" >&2
# --no-deps: the lock is complete. Without it pip resolves `coverage[toml]` to the newest release,
# and stops when that is no longer the one that the lock has hashes of.
"$VENV/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --no-input \
    --require-hashes --no-deps --requirement "$lock"
rm -f "$VENV"/.installed-*
fingerprint "$lock" >"$VENV/.installed-$1"
