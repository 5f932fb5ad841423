#!/usr/bin/env bash
# The README's commands in a bare Debian, with nothing but the packages that the README names.
# By hand: needs root, debootstrap, the network (Debian, PyPI) and, with a CUDA build of torch, some 12 GB.
#
#   tests/machines/bare_debian.sh FOLDER [SUITE] [COMMAND...]    default: trixie, make run SCALE=smoke
#
# FOLDER is kept: what is there is used again. The committed state of this checkout is what runs.
set -euo pipefail
folder=$(realpath "$1")
suite=${2:-trixie}
shift $(($# > 2 ? 2 : $#))
[ $# -gt 0 ] || set -- make run SCALE=smoke
checkout=$(realpath "$(dirname "$0")/../..")
if [ ! -e "$folder/usr/bin/make" ]; then
  debootstrap --variant=minbase --include=python3,python3-venv,git,make,ca-certificates "$suite" "$folder"
fi
# Names of hosts, and whom this machine trusts.
cp /etc/resolv.conf /etc/hosts "$folder/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
if [ -e "$folder/root/leignn" ]; then
  git -C "$folder/root/leignn" pull --quiet --ff-only "$checkout" HEAD
else
  git clone --quiet "$checkout" "$folder/root/leignn"
fi
# Mounts of its own, which end with it, however it ends: nothing of this machine is left in FOLDER.
exec unshare --mount sh -c '
  for place in proc dev; do mount --rbind "/$place" "$0/$place" || exit; done
  exec chroot "$0" /usr/bin/env -i HOME=/root PATH=/usr/bin:/bin LANG=C.UTF-8 \
    sh -c "cd /root/leignn && python3 --version && exec \"\$@\"" sh "$@"' "$folder" "$@"
