#!/bin/sh
# Make the environment in .venv: Python 3.10, the pinned packages, this project in place.
# An environment that is already there is brought up to date. Where no Python 3.10 is found,
# uv (fetched into a folder that is removed again) looks for one, or gets one.
# VENV names another folder for it; EXTRA a list of more packages, installed without those that
# they ask for (lava-dl asks for versions that do not go with the pinned ones).
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
python=$venv/bin/python
scratch=""
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

say() { echo "make install: $*" >&2; }

# A command may exist and not run (a pyenv shim without a version behind it), so run it.
is_310() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' >/dev/null 2>&1; }

runs() { command -v "$1" >/dev/null 2>&1 && "$1" -c '' >/dev/null 2>&1; }

find_310() {
    for candidate in python3.10 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.10*/bin/python3.10 \
        python3 python; do
        if is_310 "$candidate"; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    return 1
}

any_python_with_pip() {
    for candidate in python3 python /usr/bin/python3; do
        if runs "$candidate" && "$candidate" -m pip --version >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# uv makes the environment, pip included, with the interpreter or version given.
make_with_uv() {
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --seed --clear --python "$1" "$venv"
        return
    fi
    helper=$(any_python_with_pip) || {
        say "found neither Python 3.10 nor a python3 with pip; install Python 3.10 and try again"
        return 1
    }
    scratch=$(mktemp -d)
    "$helper" -m pip install --quiet --target "$scratch" uv
    "$scratch/bin/uv" venv --quiet --seed --clear --python "$1" "$venv"
}

make_environment() {
    if base=$(find_310); then
        say "using $base"
        rm -rf "$venv"
        # Debian's Python may lack ensurepip, and then venv fails half-way.
        "$base" -m venv "$venv" >/dev/null 2>&1 || make_with_uv "$base"
    else
        say "found no Python 3.10; asking uv for one"
        make_with_uv 3.10 || {
            say "could not get Python 3.10; put a python3.10 on PATH and try again"
            return 1
        }
    fi
}

usable() { is_310 "$python" && "$python" -m pip --version >/dev/null 2>&1; }

usable || make_environment
say "installing the pinned packages; the first time this fetches several GB"
"$python" -m pip install --quiet --requirement requirements.txt
[ -z "${EXTRA:-}" ] || "$python" -m pip install --quiet --no-deps --requirement "$EXTRA"
# setuptools warns of every editable install; nothing is to be done about it.
PYTHONWARNINGS=ignore "$python" -m pip install --quiet --no-deps --no-build-isolation --editable .
rm -rf onchip.egg-info build
