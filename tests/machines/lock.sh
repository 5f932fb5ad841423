#!/usr/bin/env bash
# Is requirements.txt what pyproject.toml asks for with Python 3.11, 3.12 and 3.13, and is there a wheel of
# everything in it and in requirements-nodeps.txt, so that nothing is compiled? Resolved, not installed.
# By hand: needs the network (PyPI), some seconds, and uv, which it takes from PyPI where there is none.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
export UV_PYTHON_DOWNLOADS=never
if ! uv=$(command -v uv); then
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet uv
  uv=$folder/venv/bin/uv
fi
resolve() { "$uv" pip compile --quiet --no-header --no-annotate --python-platform x86_64-unknown-linux-gnu "$@"; }
# Lines as pip names packages, less what a CUDA build of torch brings.
names() { grep -v '^#' | tr '[:upper:]_.' '[:lower:]--' | sed 's/ *;.*//' | grep -vE '^(nvidia|cuda)-' | sort; }
# Pure Python, published as source alone.
sources=(antlr4-python3-runtime connection-pool dirsync python-hostlist)
for version in 3.11 3.12 3.13; do
  resolve pyproject.toml --all-extras --constraints requirements.txt --python-version "$version" | names > "$folder/asked"
  names < requirements.txt > "$folder/locked"
  diff "$folder/asked" "$folder/locked"
  resolve --no-deps --only-binary :all: "${sources[@]/#/--no-binary=}" --python-version "$version" requirements.txt > "$folder/wheels"
  resolve --no-deps --only-binary :all: --python-version "$version" requirements-nodeps.txt > "$folder/nodeps"
  echo "Python $version: $(wc -l < "$folder/locked") packages as locked, $(wc -l < "$folder/nodeps") without dependencies"
done
