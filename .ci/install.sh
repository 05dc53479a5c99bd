#!/bin/sh
# Make the environment in .venv: Python, the pinned packages, Lava, this project in place.
# PYTHON_VERSION chooses one of the versions below. Without it an environment that is already there
# keeps its Python and is brought up to date, and a new one takes the newest that is found. One of
# another version than PYTHON_VERSION is made anew. Where none is found, uv (fetched into a folder
# that is removed again) looks for one, or gets one.
# VENV names another folder for it; EXTRA a list of more packages, in place of those of the pinned
# list (lava-dl asks for versions that do not go with them). WHEEL names the extras of a wheel that is
# built and installed with whatever pip finds for it, in place of all that.
set -eu
cd "$(dirname "$0")/.."
supported="3.13 3.12 3.11 3.10"
venv=${VENV:-.venv}
python=$venv/bin/python
scratch=""
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

say() { echo "make install: $*" >&2; }

# 3.12.1 counts as 3.12.
wanted() {
    for version in $supported; do
        case "${PYTHON_VERSION:-$version}" in
            "$version" | "$version".*) echo "$version" ;;
        esac
    done
}

# A command may exist and not run (a pyenv shim without a version behind it), so run it. Packages
# have no wheels for the build without a GIL, which calls itself by the same name.
is_version() {
    "$1" -c 'import sys, sysconfig
found = "{}.{}".format(*sys.version_info[:2])
sys.exit(found != sys.argv[1] or bool(sysconfig.get_config_var("Py_GIL_DISABLED")))' "$2" \
        >/dev/null 2>&1
}

runs() { command -v "$1" >/dev/null 2>&1 && "$1" -c '' >/dev/null 2>&1; }

find_python() {
    for version in $versions; do
        for candidate in "python$version" \
            "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version"*"/bin/python$version" python3 python; do
            if is_version "$candidate" "$version"; then
                # Not the environment's own link to it: the environment may be about to go.
                "$candidate" -c 'import sys; print(sys._base_executable)'
                return
            fi
        done
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
        say "found neither Python $newest nor a python3 with pip; install one and try again"
        return 1
    }
    scratch=$(mktemp -d)
    "$helper" -m pip install --quiet --target "$scratch" uv
    "$scratch/bin/uv" venv --quiet --seed --clear --python "$1" "$venv"
}

make_environment() {
    if base=$(find_python); then
        rm -rf "$venv"
        # Debian's Python may lack ensurepip, and then venv fails half-way.
        "$base" -m venv "$venv" >/dev/null 2>&1 || make_with_uv "$base"
    else
        say "found no Python $(echo "$versions" | sed 's/ /, /g'); asking uv for $newest"
        make_with_uv "$newest" || {
            say "could not get Python $newest; put a python$newest on PATH and try again"
            return 1
        }
    fi
}

usable() {
    for version in $versions; do
        if is_version "$python" "$version"; then
            "$python" -m pip --version >/dev/null 2>&1
            return
        fi
    done
    return 1
}

versions=$(echo $(wanted))
newest=${versions%% *}
if [ -z "$versions" ]; then
    say "PYTHON_VERSION is $PYTHON_VERSION; set it to one of $supported, or unset it"
    exit 2
fi
usable || make_environment
say "$("$python" -V) in $venv"
if [ -n "${WHEEL:-}" ]; then
    say "building the wheel and installing it as a user does; pip fetches what it asks for"
    rm -rf "$venv/wheel" build/lib build/bdist.*
    "$python" -m pip wheel --quiet --no-deps --wheel-dir "$venv/wheel" .
    "$python" -m pip install --quiet --force-reinstall --no-deps "$venv"/wheel/onchip-*.whl
    "$python" -m pip install --quiet "$(ls "$venv"/wheel/onchip-*.whl)[$WHEEL]" mypy
    rm -rf onchip.egg-info build/lib build/bdist.*
    exit
fi
say "installing the pinned packages; the first time this fetches several GB"
# The list has all that its packages need. What Lava and lava-dl ask for beside does not go with it.
pip_install() { "$python" -m pip install --quiet --no-deps "$@"; }
pip_install --requirement requirements.txt
pip_install --ignore-requires-python --requirement requirements-lava.txt
[ -z "${EXTRA:-}" ] || pip_install --requirement "$EXTRA"
# setuptools warns of every editable install; nothing is to be done about it.
PYTHONWARNINGS=ignore "$python" -m pip install --quiet --no-deps --no-build-isolation --editable .
rm -rf onchip.egg-info build
