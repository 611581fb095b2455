#!/bin/sh
# Set-up and the demonstration in one: npm run demo
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh run
exec bin/btrvault demo "$@"
