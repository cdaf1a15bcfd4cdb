#!/bin/sh
# Keep the readable part of reports/ where a reader without a clone finds it:
#     sh docs/copy_results.sh docs/sample
set -eu
rm -rf "$1" && mkdir -p "$1" && to=$(realpath "$1")
cd reports && find . \( -name '*.md' -o -name '*.png' \) -exec cp --parents {} "$to" \;
