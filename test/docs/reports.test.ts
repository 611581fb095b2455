// docs/reports.md is made from the types that commands return; here it is held against what the
// program really prints, on good days and bad ones.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import {
  type Row,
  reportReference,
  reportRows,
  reportTypes,
} from '../../scripts/report-reference.ts'
import type { ExitStatus } from '../../src/cli/exits.ts'
import { exitsOf } from '../../src/cli/help.ts'
import { verbs } from '../../src/cli/verbs.ts'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'
import { readPage } from './markdown.ts'
import { machineWithHome } from './scene.ts'

interface Document {
  readonly command: string | null
  readonly ok: boolean
  readonly exit: number
  readonly report?: unknown
  readonly error?: unknown
}

const failureType = { command: '', type: 'FailureReport', file: 'commands/shared/report.ts' }
const failureRows = reportRows(failureType)

/** What in a value is not as the rows say; `seen` collects the paths that were met. */
function misfits(rows: readonly Row[], value: unknown, seen = new Set<string>()): string[] {
  const byPath = new Map(rows.map(row => [row.path, row]))
  const wrong: string[] = []
  const walk = (path: string, inner: unknown): void => {
    if (Array.isArray(inner)) {
      for (const one of inner) walk(`${path}[]`, one)
      return
    }
    if (typeof inner !== 'object' || inner === null) return
    const prefix = path === '' ? '' : `${path}.`
    for (const [name, below] of Object.entries(inner)) {
      const at = `${prefix}${name}`
      const row = byPath.get(at)
      if (row === undefined) wrong.push(`${at} is not documented`)
      else if (!fits(row.kinds, below)) wrong.push(`${at} is not ${row.kinds.join(' or ')}`)
      else {
        seen.add(at)
        const failure = isFailure(row) && failureOf(below)
        if (failure) wrong.push(...misfits(failureRows, failure).map(text => `${at}: ${text}`))
        else walk(at, isFailure(row) ? withoutFailure(below) : below)
      }
    }
    for (const row of rows) {
      const isHere = row.path.startsWith(prefix) && !/[.[]/.test(row.path.slice(prefix.length))
      const name = row.path.slice(prefix.length)
      if (isHere && !row.optional && !(name in inner)) wrong.push(`${row.path} is missing`)
    }
  }
  walk('', value)
  return wrong
}

function isFailure(row: Row): boolean {
  return row.kinds.some(kind => kind.includes('failure'))
}

function failureOf(value: unknown): unknown {
  return Array.isArray(value) ? undefined : (value ?? undefined)
}

/** Of a list of failures, what stands beside what every failure has. */
function withoutFailure(value: unknown): unknown {
  if (!Array.isArray(value)) return value
  const common = new Set(failureRows.map(({ path }) => path))
  return value.map(one =>
    Object.fromEntries(Object.entries(one as object).filter(([name]) => !common.has(name))),
  )
}

function fits(kinds: readonly string[], value: unknown): boolean {
  return kinds.some(kind => {
    if (kind === 'text') return typeof value === 'string'
    if (kind === 'number') return typeof value === 'number'
    if (kind === 'true or false') return typeof value === 'boolean'
    if (kind === 'time') return typeof value === 'string' && /^\d{4}-.*T.*Z$/.test(value)
    if (kind === 'null') return value === null
    if (kind === 'list' || kind === 'list of failure') return Array.isArray(value)
    if (kind.startsWith('list of ')) {
      const inner = kind.slice('list of '.length).split(' or ')
      return Array.isArray(value) && value.every(one => fits(inner, one))
    }
    if (kind === 'object' || kind === 'failure') {
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    }
    return kind === `\`${String(value)}\``
  })
}

/** Each line is one run; what it prints is kept, however it ends. */
const script = `
run() { n=$((n + 1)); btrvault "$@" --json > "$(printf '/media/stick/%03d.json' $n)" 2>> /tmp/said || true; }
n=0
mkdir /etc/btrvault
run keygen --dry-run --out identity.txt
run keygen --out identity.txt
cat > /etc/btrvault/config.yaml <<EOF
keys: { recipients: [$(sed -n 's/^# public key: //p' identity.txt)] }
sources:
  home: { path: /home, snapshots: /.snapshots/home, remotes: { disk: { keep: 999d last 3, full_every: 1y, shape: chain }, absent: {} } }
  gone: { path: /nowhere, snapshots: { path: /.snapshots/gone, keep: 7d }, remotes: { disk: {} } }
  full: { path: /home/full, snapshots: /.snapshots/full, nested: [inner], remotes: { plain: [{ epoch: first }, { epoch: second }] } }
  theirs: { path: /home/theirs, snapshots: { existing: /.snapshots/theirs-* }, remotes: { plain: {} } }
remotes:
  disk: { directory: { path: /mnt/disk/backups }, limit: { up: 100MiB/s, down: 100MiB/s } }
  plain: { directory: { path: /mnt/disk/plain }, encrypt: none }
  absent: { directory: { path: /mnt/none/such } }
EOF
btrfs -q subvolume create /home/full
btrfs -q subvolume create /home/theirs
btrfs -q subvolume snapshot /home/theirs /.snapshots/theirs-0
run backup
run init --dry-run
run init --identity identity.txt
run config check
run config check --config /nothing
run doctor
run plan
run status
run backup --dry-run
run backup
sed -i '/^  full/s/nested.*remotes/remotes/; /^  home/s/remotes/nested: ignore, remotes/' /etc/btrvault/config.yaml
run backup
echo more > /home/full/more.txt
run plan full --days 3
btrfs -q subvolume create /home/full/inner
echo more > /home/more.txt
run plan
run backup
run plan
run status
run list
run list --from /mnt/disk/backups --signers /etc/btrvault/allowed_signers
run verify --level bytes
run verify home --level decrypts --identity identity.txt
run keygen --classic --out other.txt
run verify home --remote disk --level decrypts --identity other.txt
mkdir /mnt/new/a /mnt/new/b
run restore home --to /mnt/new/a --writable copy --identity identity.txt
run restore home --to /mnt/new/b --identity identity.txt --dry-run
run restore home --to /mnt/new/b
echo again > /home/again.txt
run backup home --now --dry-run
sed -i 's/999d last 3, full_every: 1y/2y last 1, full_every: 1s/; s/, absent: {} }/ }/; s/limit:/max_delete: 60%, limit:/' /etc/btrvault/config.yaml
run backup home --now --no-forget
echo once more > /home/again.txt
sleep 1
run backup home --now --no-forget
run plan home --days 30
run forget --dry-run
run forget --yes
run plan home
run list --hidden
run prune --dry-run
run undelete home --all
sed -i 's/max_delete/grace: 0s, max_delete/' /etc/btrvault/config.yaml
run forget --yes
run plan home
echo and again > /home/again.txt
sleep 1
run backup home --now
run prune --yes
run du
printf x >> "$(find /mnt/disk/backups/segments -type f | sort | head -n 1)"
rm "$(find /mnt/disk/backups/manifests -name '*.sig' | sort | tail -n 1)"
run verify
run verify --level decrypts
run list
run status
cp /mnt/disk/backups/repository.json /tmp/repository.json
for version in 2 none gone; do
  sed "s/: 1,/: $version,/" /tmp/repository.json > /mnt/disk/backups/repository.json
  [ $version != gone ] || rm /mnt/disk/backups/repository.json
  run init --remote disk
  run plan home
  run backup home
  run list home --remote disk
  run verify home --remote disk
  run restore home --remote disk --to /mnt/new --identity identity.txt
  run forget home --yes
  run undelete home --all
  run prune disk --yes
  run du disk
done
`

describe('docs/reports.md', () => {
  let world: BtrfsWorld
  let documents: Document[]

  before(async () => {
    world = await makeBtrfsWorld({ sizeMiB: 512, second: { sizeMiB: 512 } })
    await machineWithHome(world, {}).run(script)
    const folder = world.outside('stick')
    documents = readdirSync(folder)
      .sort()
      .map(name => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')) as Document)
  })
  after(async () => {
    await world?.destroy()
  })

  test('has a section for every command that returns a report', () => {
    const names = verbs.flatMap(({ name, verbs: below }) =>
      below === undefined ? [name] : below.map(one => `${name} ${one.name}`),
    )
    const products = ['config schema', 'config example', 'policy s3']
    assert.deepEqual(
      reportTypes.map(({ command }) => command).sort(),
      names.filter(name => !products.includes(name)).sort(),
    )
    const { headings } = readPage('docs/reports.md')
    for (const { command } of reportTypes) {
      assert.ok(
        headings.some(({ text }) => text === `btrvault ${command}`),
        command,
      )
    }
  })

  test('is what scripts/generate-docs.ts makes of the types', () => {
    assert.match(reportReference(), /sources\[\]\.sends\[\]\.readBytes/)
  })

  test('describes the document around a report, also when there is none', () => {
    assert.ok(documents.length > 25)
    for (const { command, ok, exit, report, error, ...rest } of documents) {
      assert.deepEqual(rest, {}, String(command))
      assert.equal(ok, exit === 0)
      assert.equal(report === undefined, error !== undefined)
      if (error) assert.deepEqual(Object.keys(error), ['code', 'message', 'hint', 'exit'])
    }
    assert.ok(documents.some(({ error }) => error !== undefined))
  })

  test('has no exit status that the help of its command does not list', () => {
    const all = verbs.flatMap(verb => [
      { name: verb.name, verb },
      ...(verb.verbs ?? []).map(below => ({ name: `${verb.name} ${below.name}`, verb: below })),
    ])
    const unlisted = documents.flatMap(({ command, exit }) => {
      const verb = all.find(({ name }) => name === command)?.verb
      assert.ok(verb, String(command))
      return exitsOf(verb).includes(exit as ExitStatus) ? [] : [`${command}: ${exit}`]
    })
    assert.deepEqual([...new Set(unlisted)], [])
    for (const status of [4, 10, 40]) assert.ok(documents.some(({ exit }) => exit === status))
  })

  test('describes every field that is printed, and no other', () => {
    const unseen: string[] = []
    for (const type of reportTypes) {
      if (type.command === 'demo') continue
      const rows = reportRows(type)
      const seen = new Set<string>()
      const printed = documents.filter(({ command, report }) => command === type.command && report)
      assert.ok(printed.length > 0, `no report of ${type.command}`)
      for (const { report } of printed) {
        assert.deepEqual(misfits(rows, report, seen), [], `in a report of ${type.command}`)
      }
      unseen.push(
        ...rows.filter(({ path }) => !seen.has(path)).map(({ path }) => `${type.command}: ${path}`),
      )
    }
    assert.deepEqual(
      unseen.filter(one => !rarely.some(pattern => pattern.test(one))),
      [],
    )
  })

  test('would not pass for what is printed otherwise', () => {
    const rows = reportRows({ command: 'keygen', type: 'KeygenReport', file: 'commands/keygen.ts' })
    const good = { file: 'f', recipient: null, kind: 'hybrid' }
    assert.deepEqual(misfits(rows, good), [])
    assert.deepEqual(misfits(rows, { ...good, more: 1 }), ['more is not documented'])
    assert.deepEqual(misfits(rows, { ...good, recipient: 1 }), ['recipient is not text or null'])
    assert.deepEqual(misfits(rows, { ...good, kind: 'other' }), [
      'kind is not `hybrid` or `x25519`',
    ])
    assert.deepEqual(misfits(rows, { file: 'f', kind: 'hybrid' }), ['recipient is missing'])
  })
})

/** What the runs above do not bring about. */
const rarely = [
  /drops\[\]\.epoch$/,
  /hidden\[\]\.epoch\./,
  /^config check: remotes\[\]\.maxDelete\.count/,
  /^config check: remotes\[\]\.(address\.(?!path$|kind)|accessKeyFile|lock)/,
  // A bucket with object lock: test/commands/object-lock.test.ts has one.
  /^plan: .*\.lock(\.|$)/,
  // Somebody deletes a snapshot that a difference was to be built on.
  /\.steps\[\]\.lost$/,
  // A run that is cut, or going on, at the moment.
  /^status: .*\.(unfinished|running)\./,
  // A store with a clock of its own.
  /probe\.clockSkewMs$/,
  // What restore finds different, which mending leaves nothing of.
  /^restore: comparison\.differences\[\]\./,
]
