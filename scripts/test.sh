#!/bin/sh
# Set-up and every test in one: npm test. A part of them: npm test -- test/store
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh test
PATH="$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin"
export PATH
exec node scripts/test.ts "$@"
