#!/bin/sh
# The fast checks: types, lint, format, unused code, generated pages. With --write it puts the format right instead.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh check
PATH="$PWD/node_modules/.bin:$PATH"
export PATH

if [ "${1:-}" = --write ]; then
  exec biome check --write
fi

failed=''
step() {
  name=$1
  shift
  "$@" || failed="$failed $name"
}
step types tsc -p .
step lint oxlint --type-aware --deny-warnings --quiet
step format biome check
step unused knip --no-progress
step docs node scripts/generate-docs.ts --check
if [ -n "$failed" ]; then
  echo "check: failed:$failed" >&2
  exit 1
fi
