// An independent look at a tree, with tools that every Linux has and none of our code: what a
// restore must give back, one line each, sorted, so that `diff` can be the judge.

import { open } from 'node:fs/promises'
import { Failure } from '../../base/failure.ts'
import { collectProgram, describeOutcome, startProgram } from '../../base/process.ts'

/** `bash walk.sh FOLDER`: the list on standard output. */
export const walkScript = `#!/bin/bash
# Everything of a tree that a restore must give back, sorted by name.
set -euo pipefail
export LC_ALL=C
cd -- "$1"
# Names may hold line feeds: entries end with a zero byte until here.
lines() { tr '\\n\\0' '\\001\\n'; }

echo '== name, type, mode, owner, time, links, target, size'
find . -printf '%P\\t%y\\t%m\\t%U:%G\\t%T@\\t%n\\t%l\\t' \\( -type f -printf '%s\\0' -o -printf '\\0' \\) | lines | sort

echo '== device numbers'
find . \\( -type b -o -type c \\) -print0 | sort -z | xargs -0 -r stat --printf '%n\\t%t:%T\\0' | lines

echo '== which names are the same file'
find . ! -type d -links +1 -printf '%P\\t%i\\0' | lines | sort |
  awk -F '\\t' '{ file = $NF; if (!(file in group)) group[file] = ++count
                 sub(/\\t[0-9]+$/, ""); print $0 "\\t" group[file] }'

echo '== contents'
find . -type f -print0 | sort -z | xargs -0 -r sha256sum -z | lines

echo '== extended attributes, access lists, capabilities'
find . -print0 | sort -z | xargs -0 -r getfattr -h -d -m - -e hex --absolute-names
`

export interface WalkCall {
  readonly folder: string
  /** Relative to the folder, as a user would type it. */
  readonly tree: string
  readonly list: string
  readonly signal: AbortSignal
}

/** Writes the list of a tree; returns how many lines it has. */
export async function walk({ folder, tree, list, signal }: WalkCall): Promise<number> {
  const output = await open(`${folder}/${list}`, 'w+')
  try {
    const args = ['walk.sh', tree]
    const running = startProgram({ program: 'bash', args, folder, stdout: output.fd, signal })
    const outcome = await running.done
    if (outcome.kind !== 'exited' || outcome.status !== 0) {
      throw new Failure('failed', `cannot walk ${folder}/${tree}: ${describeOutcome(outcome)}`)
    }
  } finally {
    await output.close()
  }
  return (await countLines(`${folder}/${list}`)) - sectionCount
}

const sectionCount = 5

export interface ListDifference {
  readonly equal: boolean
  /** What diff wrote, its first lines. */
  readonly lines: readonly string[]
  /** Only the time of the top folder differs, which `btrfs receive` sets to now in some streams. */
  readonly onlyRootTime: boolean
}

const linesShown = 20

/** What `diff` says of two lists. */
export async function compareLists(
  folder: string,
  [before, after]: readonly [string, string],
  signal: AbortSignal,
): Promise<ListDifference> {
  const args = [before, after]
  const { outcome, stdout } = await collectProgram({ program: 'diff', args, folder, signal })
  if (outcome.kind !== 'exited' || outcome.status > 1) {
    throw new Failure('failed', `cannot compare ${args.join(' and ')}: ${describeOutcome(outcome)}`)
  }
  const lines = stdout.toString('latin1').replace(/\n$/, '').split('\n')
  const told = lines.filter(line => /^[<>]/.test(line))
  const isRoot = (line: string) => /^[<>] \td\t/.test(line)
  return {
    equal: outcome.status === 0,
    lines: outcome.status === 0 ? [] : lines.slice(0, linesShown),
    onlyRootTime: told.length === 2 && told.every(isRoot) && sameButTime(told),
  }
}

function sameButTime(lines: readonly string[]): boolean {
  const [first, second] = lines.map(line => line.slice(2).split('\t').toSpliced(4, 1).join('\t'))
  return first === second
}

async function countLines(path: string): Promise<number> {
  const file = await open(path)
  try {
    let count = 0
    for await (const chunk of file.createReadStream({ autoClose: false })) {
      for (const byte of chunk as Buffer) if (byte === 0x0a) count += 1
    }
    return count
  } finally {
    await file.close()
  }
}
