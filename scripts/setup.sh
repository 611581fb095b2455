#!/bin/sh
# Brings a checkout to where one purpose can run: system programs, Node 26 and the npm packages.
# Says something only when it does something, and costs a fraction of a second when there is nothing to do.
# Usage: sh scripts/setup.sh check|build|run|test|bench
# Its log, with everything that apt-get and npm said: .cache/setup.log
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin"
export PATH

# program:Debian package, what each purpose needs besides Node.
run_programs='btrfs:btrfs-progs mkfs.btrfs:btrfs-progs flock:util-linux mount:mount losetup:mount
  setfattr:attr getfattr:attr'
test_programs='age:age age-keygen:age zstd:zstd ssh-keygen:openssh-client setfacl:acl getfacl:acl
  setcap:libcap2-bin ceph-mon:ceph-mon ceph-osd:ceph-osd radosgw:radosgw ceph:ceph-common
  ceph-authtool:ceph-common radosgw-admin:ceph-common monmaptool:ceph-base strace:strace
  /usr/bin/python3:python3 tmux:tmux'
bench_programs='restic:restic rclone:rclone aws:awscli'

purpose=${1:-}
case $purpose in
  check | build) programs='' ;;
  run) programs=$run_programs ;;
  test) programs="$run_programs $test_programs" ;;
  bench) programs="$run_programs $test_programs $bench_programs" ;;
  *) echo 'usage: sh scripts/setup.sh check|build|run|test|bench' >&2; exit 2 ;;
esac

log=.cache/setup.log
policy=''

say() { printf 'setup: %s\n' "$*" >&2; }

give_up() {
  say "$1"
  [ ! -s "$log" ] || { tail -n 15 "$log" | sed 's/^/  | /' >&2; say "everything they said is in $log"; }
  exit 1
}

clean_up() { [ -z "$policy" ] || rm -f "$policy"; }
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs a command at most twice, each time bounded, its words in the log.
twice() {
  seconds=$1
  shift
  timeout "$seconds" "$@" >>"$log" 2>&1 </dev/null && return 0
  say "$1 failed; once more"
  sleep 3
  timeout "$seconds" "$@" >>"$log" 2>&1 </dev/null
}

# Node 26 is linked against it, and slim Debian images lack it.
has_libatomic() {
  for file in /usr/lib/*/libatomic.so.1 /usr/lib64/libatomic.so.1 /usr/lib/libatomic.so.1; do
    [ ! -e "$file" ] || return 0
  done
  return 1
}

missing_packages() {
  for pair in $programs; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || echo "${pair#*:}"
  done | sort -u
  has_libatomic || echo libatomic1
}

install_packages() {
  packages=$(missing_packages | tr '\n' ' ')
  [ -n "$packages" ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    say "'$purpose' needs programs of these Debian packages: $packages"
    give_up 'install them (their names may differ on your system), or run this again as root where there is apt-get'
  fi
  say "installing system packages: $packages"
  # Only the programs are wanted: no server of theirs may start.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  export DEBIAN_FRONTEND=noninteractive
  twice 300 apt-get -q -o DPkg::Lock::Timeout=120 update || say 'apt-get update failed; trying with the lists that are here'
  # shellcheck disable=SC2086 # one word a package is meant
  twice 900 apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends $packages ||
    give_up "cannot install $packages: apt-get failed twice"
  packages=$(missing_packages | tr '\n' ' ')
  [ -z "$packages" ] || give_up "apt-get succeeded, but programs of these packages are still not found: $packages"
}

install_modules() {
  command -v npm >/dev/null 2>&1 || give_up 'needs npm, with Node 20 or newer, to fetch Node 26 and the rest'
  if modules_current; then return 0; fi
  say 'installing npm packages, Node 26 among them'
  twice 600 npm ci --ignore-scripts --include=dev --include=optional --no-audit --no-fund --loglevel=error ||
    give_up 'cannot install the npm packages: npm ci failed twice'
  # npm 10 leaves out the commands of optional packages, and Node is one.
  [ -x node_modules/.bin/node ] || twice 120 npm rebuild --ignore-scripts --loglevel=error || true
  # A shell remembers where it found the older Node.
  hash -r
  modules_current ||
    give_up "no Node 26 came with the npm packages ($(uname -sm)): put one on your PATH"
}

modules_current() { node scripts/modules-current.mjs 2>/dev/null; }

ready() { [ -z "$(missing_packages)" ] && modules_current; }

ready && exit 0
mkdir -p .cache
: >"$log"
# Two set-ups at once must not install at once; the second then finds everything done.
if command -v flock >/dev/null 2>&1; then
  exec 9>.cache/setup.lock
  flock -w 1800 9 || give_up 'another set-up has been going for half an hour'
fi
install_packages
install_modules
