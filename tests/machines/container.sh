#!/usr/bin/env bash
# The Containerfile built by buildah on a bare Debian, and the workflow in its image. No registry of images is asked:
# the base is debootstrap's.
# By hand: needs root, buildah, debootstrap, the network (Debian, PyPI) and some 8 GB.
#
#   tests/machines/container.sh FOLDER [ARGUMENT...]    of the image's command (make); default: run SCALE=smoke
#
# PIP_EXTRA_INDEX_URL is the Containerfile's argument of that name, where it is set. The committed state of this checkout
# is what is built. The images leignn-base, which is used again, and leignn are left, and FOLDER with the results.
set -euo pipefail
mkdir -p "$1"
folder=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- run SCALE=smoke
checkout=$(realpath "$(dirname "$0")/../..")
export BUILDAH_ISOLATION=chroot
if [ -z "$(buildah images --quiet localhost/leignn-base 2> /dev/null)" ]; then
  debootstrap --variant=minbase bookworm "$folder/base"
  # Whom this machine trusts; update-ca-certificates takes it in.
  install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$folder/base/usr/local/share/ca-certificates/machine.crt"
  base=$(buildah from scratch)
  buildah copy --quiet "$base" "$folder/base" /
  buildah commit --quiet --rm "$base" localhost/leignn-base
  rm -r "$folder/base"
fi
rm -rf "$folder/context"
git clone --quiet "$checkout" "$folder/context"
arguments=(--build-arg BASE=localhost/leignn-base)
[ -z "${PIP_EXTRA_INDEX_URL+set}" ] || arguments+=(--build-arg PIP_EXTRA_INDEX_URL="$PIP_EXTRA_INDEX_URL")
buildah build "${arguments[@]}" --tag localhost/leignn "$folder/context"
container=$(buildah from localhost/leignn)
trap 'buildah rm "$container" > /dev/null' EXIT
mkdir -p "$folder/results"
buildah run --volume "$folder/results:/leignn/results" "$container" -- make "$@"
