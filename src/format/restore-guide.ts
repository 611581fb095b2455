// RESTORE.md, which lies in every repository: how to restore without this program. A test follows
// it to the letter, so what it says works with the tools that it names.

export function restoreGuide(): string {
  return guide
}

const guide = `# How to get this data back without btrvault

This is a btrvault repository, format version 1. Everything in it can be read with tools that are
on most rescue systems: ssh-keygen, sha256sum, age, zstd and btrfs. With btrvault at hand, use that:
\`btrvault restore --from ADDRESS --identity FILE --signers FILE SOURCE --to DIR\`.

## What you need

- the *identity* file (age's word for the private key), which was never on the machine backed up;
- the *allowed_signers* file, from the recovery kit: it says whose backups to believe;
- age 1.3 or newer if the identity begins with AGE-SECRET-KEY-PQ-, else any age;
- root, and a btrfs filesystem with enough room.

Never skip step 2. Anybody who can write to this place can make objects that decrypt without an
error, and \`btrfs receive\` would let a forged stream write to your machine.

## 1. Find the chain

A folder of manifests/ is a *series*: all backups of one source, numbered from 1. A backup is a
difference from its *parent* until a parent is null: that one is full. Fetch the series' manifests
and signatures, then write down the chain of the backup you want, full first:

\`\`\`sh
SERIES=$(ls manifests | head -n 1)      # or another: see "createdAt" in the manifests
SEQ=$(ls "manifests/$SERIES" | sed -n 's/\\.json$//p' | tail -n 1)   # the newest
CHAIN=
while [ -n "$SEQ" ]; do
  CHAIN="$SEQ $CHAIN"
  SEQ=$(sed -n 's/^ "parent": {"seq":\\([0-9]*\\),.*/\\1/p' "manifests/$SERIES/$SEQ.json")
  [ -z "$SEQ" ] || SEQ=$(printf '%08d' "$SEQ")
done
echo "$CHAIN"
\`\`\`

## 2. Check each manifest's signature, then each object's hash

\`\`\`sh
for SEQ in $CHAIN; do
  M=manifests/$SERIES/$SEQ.json
  ssh-keygen -Y verify -f allowed_signers -I btrvault -n manifest@btrvault -s "$M.sig" < "$M" || exit 1
  RUN=$(sed -n 's/^ "run": "\\([0-9a-f]*\\)".*/\\1/p' "$M")
  N=0
  sed -n '/^ "segments": /,/^ \\]/s/^  {"sha256":"\\([0-9a-f]*\\)".*/\\1/p' "$M" | while read -r SHA; do
    printf '%s  segments/%s/%s/%08d-%s.age\\n' "$SHA" "$SERIES" "$RUN" "$N" "$SHA"
    N=$((N + 1))
  done > "$SEQ.sums"
  # The .sums file now names every object of the backup: fetch those, if they are not here yet.
  sha256sum --quiet --strict -c "$SEQ.sums" || exit 1
done
\`\`\`

An ending other than .age: .zst was not encrypted (leave out age), .raw.age not compressed (leave
out zstd), .raw neither. Then put that ending in the line with printf.

## 3. Decrypt and decompress, in order

\`\`\`sh
for SEQ in $CHAIN; do
  cut -c 67- "$SEQ.sums" | while read -r OBJECT; do
    age -d -i identity "$OBJECT" || { echo "cannot decrypt $OBJECT" >&2; break; }
  done > "$SEQ.zst"
  zstd -q -d "$SEQ.zst" -o "$SEQ.stream" || exit 1
done
\`\`\`

## 4. Receive, full first

\`\`\`sh
for SEQ in $CHAIN; do
  btrfs receive -C "$TARGET" < "$SEQ.stream" || exit 1
done
\`\`\`

Each backup becomes a read-only subvolume in $TARGET; the last one is what you wanted. For a
writable copy: \`btrfs subvolume snapshot SUBVOLUME NEW\`. Do not make the received one writable
itself: later backups could no longer build on it.
`
