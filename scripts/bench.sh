#!/bin/sh
# Set-up and the benchmark in one: npm run bench
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh bench
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
exec node bench/bench.ts "$@"
