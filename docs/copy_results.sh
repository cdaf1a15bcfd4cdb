#!/bin/sh
# Keep the readable part of reports/ where a reader without a clone finds it:
#     sh docs/copy_results.sh docs/sample
set -eu
mkdir -p "$1" && to=$(realpath "$1")
find "$to" \( -name '*.md' -o -name '*.png' \) -delete # and not the params.yaml that a set of results may have
cd reports && find . \( -name '*.md' -o -name '*.png' \) -exec cp --parents {} "$to" \;
