#!/bin/sh
# Set-up and the benchmark in one: npm run bench
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh bench
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
# What is measured is what is installed, unless --sources is given.
sh scripts/build.sh >&2
exec node bench/bench.ts "$@"
