#!/usr/bin/env bash
# Packs a Python environment with thresher into one archive that a submission ships to all nodes.
#
#     cluster/spark/pack-environment.sh dist/thresher-0.1.0-py3-none-any.whl thresher-env.tar.gz
#
# The archive holds links to the Python that made it: make it with the Python that the nodes have,
# on their operating system. Where nodes have none, use the image (../image/Containerfile).
set -euo pipefail
wheel=${1:?usage: pack-environment.sh WHEEL ARCHIVE}
archive=${2:?usage: pack-environment.sh WHEEL ARCHIVE}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --constraint "$here/../image/constraints.txt" \
  "thresher[spark] @ file://$(realpath "$wheel")" venv-pack
"$work/env/bin/venv-pack" --prefix "$work/env" --output "$archive" --force
