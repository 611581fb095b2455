// RESTORE.md, which lies in every repository: how to restore without this program. A test follows
// it to the letter, so what it says works with the tools that it names.

export function restoreGuide(): string {
  return guide
}

const guide = `# How to get this data back without btrvault

This is a btrvault repository, format version 1. Everything in it can be read with tools that are
on most rescue systems: ssh-keygen, sha256sum, age, zstd and btrfs. With btrvault at hand, use that:
\`btrvault restore --from ADDRESS --identity FILE --signers FILE SOURCE --to DIR\`. It also puts back
what \`btrfs receive\` alone loses: set-uid bits after a change of owner, and the time of the top folder.

## What you need

- the *identity* file (age's word for the private key), which was never on the machine backed up;
- the *allowed_signers* file, from the recovery kit: it says whose backups to believe;
- this repository, copied to a folder of its own: \`manifests\` first, the rest when you know what is
  needed (step 3 says it). Put \`identity\` and \`allowed_signers\` beside \`manifests\`;
- age 1.3 or newer if the identity begins with AGE-SECRET-KEY-PQ-, else any age;
- root, a btrfs filesystem to restore to, and beside the copy free room for the largest stream.

The blocks below are the parts of one script for any POSIX shell. Put them one after another into a
file \`restore.sh\` in that folder, and run it there. It stops at the first thing that is wrong:

    TARGET=/mnt/restore sh restore.sh

Never leave a check out. Anybody who can write to this place can make objects that decrypt without
an error, and \`btrfs receive\` would let a forged stream write to your machine.

## 1. Choose a backup

A folder of manifests/ is a *series*: all backups of one source, numbered from 1. Where there are
several, SERIES chooses one; SEQ chooses a backup other than the newest, with all its zeros
(\`"createdAt"\` in the manifests tells their time):

    SERIES=… SEQ=00000007 TARGET=/mnt/restore sh restore.sh

The name of the source stands encrypted in the first index object of each of its backups:

    age -d -i identity indexes/SERIES/RUN/00000000-….age | zstd -d | grep -a -o -m 1 '"source":"[^"]*"'

\`\`\`sh
set -eu
export LC_ALL=C
: "\${TARGET:?must name a folder on the btrfs filesystem to restore to}"
IDENTITY=\${IDENTITY:-identity}
SIGNERS=\${SIGNERS:-allowed_signers}
SERIES=\${SERIES:-$(ls manifests)}
case $SERIES in
  *[!0-9a-f]* | '') echo "set SERIES to one of these:" && ls manifests && exit 1 ;;
esac
SEQ=\${SEQ:-$(ls "manifests/$SERIES" | sed -n 's/^\\([0-9]*\\)\\.json$/\\1/p' | sort -n | tail -n 1)}
\`\`\`

## 2. Find its chain, and check each signature

A backup is a difference from its *parent*, which is named with the hash of its manifest, until the
parent is null: that one is full.

\`\`\`sh
CHAIN=
PARENT=
while [ -n "$SEQ" ]; do
  M=manifests/$SERIES/$SEQ.json
  echo "checking $M"
  ssh-keygen -Y verify -f "$SIGNERS" -I btrvault -n manifest@btrvault -s "$M.sig" < "$M"
  grep -q "^ \\"series\\": \\"$SERIES\\",\\$" "$M"
  [ "$(sed -n 's/^ "seq": \\([0-9]*\\),$/\\1/p' "$M")" -eq "$SEQ" ]
  [ -z "$PARENT" ] || echo "$PARENT  $M" | sha256sum -c
  CHAIN="$SEQ $CHAIN"
  PARENT=$(sed -n 's/^ "parent": {.*"manifest":"\\([0-9a-f]*\\)"}.*/\\1/p' "$M")
  SEQ=$(sed -n 's/^ "parent": {"seq":\\([0-9]*\\),.*/\\1/p' "$M")
  [ -z "$SEQ" ] || SEQ=$(printf '%08d' "$SEQ")
done
echo "backups to restore, full first: $CHAIN"
[ -n "$CHAIN" ]
\`\`\`

## 3. Check each object's hash

The .sums files name every object that is needed. If your copy lacks some, this step says which
("No such file"): fetch them, and run the script again.

\`\`\`sh
for SEQ in $CHAIN; do
  M=manifests/$SERIES/$SEQ.json
  RUN=$(sed -n 's/^ "run": "\\([0-9a-f]*\\)".*/\\1/p' "$M")
  ENDING=
  ! grep -q '^ "parameters": {.*"compress":"none"' "$M" || ENDING=.raw
  if grep -q '^ "parameters": {.*"encrypt":"age"' "$M"; then
    ENDING=$ENDING.age
  elif [ -z "$ENDING" ]; then
    ENDING=.zst
  fi
  N=0
  sed -n '/^ "segments": /,/^ \\]/s/^  {"sha256":"\\([0-9a-f]*\\)".*/\\1/p' "$M" | while read -r SHA; do
    printf '%s  segments/%s/%s/%08d-%s%s\\n' "$SHA" "$SERIES" "$RUN" "$N" "$SHA" "$ENDING"
    N=$((N + 1))
  done > "$SEQ.sums"
  sha256sum --quiet -c "$SEQ.sums"
done
\`\`\`

## 4. Decrypt, decompress and receive, full first

An object whose name ends in .age is encrypted; .raw.age and .raw are not compressed. Each begins
with a zstd *skippable frame* that says what it is; where there is no zstd to skip it, its length
stands in its bytes 4 to 7.

\`\`\`sh
for SEQ in $CHAIN; do
  : > "$SEQ.stream"
  while read -r SHA OBJECT; do
    case $OBJECT in
      *.age) age -d -i "$IDENTITY" -o part "$OBJECT" ;;
      *) cp "$OBJECT" part ;;
    esac
    case $OBJECT in
      *.raw | *.raw.age)
        LENGTH=$(od -A n -t u1 -j 4 -N 2 part | while read -r LOW HIGH; do echo $((LOW + 256 * HIGH)); done)
        tail -c "+$((LENGTH + 9))" part >> "$SEQ.stream"
        ;;
      *) zstd -q -d -c part >> "$SEQ.stream" ;;
    esac
  done < "$SEQ.sums"
  BYTES=$(sed -n 's/^ "stream": {.*"bytes":\\([0-9]*\\)}.*/\\1/p' "manifests/$SERIES/$SEQ.json")
  [ "$(wc -c < "$SEQ.stream")" -eq "$BYTES" ]
  btrfs receive -C "$TARGET" < "$SEQ.stream"
  rm "$SEQ.stream" "$SEQ.sums" part
done
echo "done: the last subvolume in $TARGET is the one that you wanted"
\`\`\`

Each backup becomes a read-only subvolume in $TARGET. What an earlier attempt left there is in the
way: remove it with \`btrfs subvolume delete\`. For a writable copy:
\`btrfs subvolume snapshot SUBVOLUME NEW\`. Do not make the received one writable itself: later
backups could no longer build on it.
`
