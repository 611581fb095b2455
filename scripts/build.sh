#!/bin/sh
# Set-up and the bundle in one: npm run build, then npm pack.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh build
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
exec node scripts/build.ts "$@"
