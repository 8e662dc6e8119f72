# Sourced by ./run and ./test, which set $root: prepares .venv/ and leaves its Python in $python.

prepare_environment() {
    python="$root/.venv/bin/python"
    # Interpreters are tried by running them: a name on PATH may be an empty shim, and a .venv may point nowhere.
    for candidate in "$python" python3.13 python3.12 python3.11 python3 python3.14; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            "$candidate" -I -S "$root/.ci/environment.py" "$@"
            return
        fi
    done
    if command -v uv >/dev/null 2>&1; then
        uv run --quiet --no-project --python '>=3.11' "$root/.ci/environment.py" "$@"
        return
    fi
    echo "storyapp needs Python 3.11 or newer (python3.11 … python3.14, python3), or uv to fetch one." >&2
    return 2
}
