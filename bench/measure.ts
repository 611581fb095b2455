// What a command costs, taken alike for every contender: wall and CPU seconds of the whole tree of
// processes as bash accounts for them, and memory as /proc shows it, twenty times a second.

import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Cost {
  readonly wallS: number
  /** User and system seconds of every process that was waited for. */
  readonly cpuS: number
  /** The part of `btrfs send` and `btrfs receive`, to a hundredth or so. */
  readonly btrfsCpuS: number
  /** The largest sum of resident memory over the tree; shared pages count once a process. */
  readonly treeBytes: number
  /** The largest resident memory of one process. */
  readonly processBytes: number
  readonly output: string
}

export interface Script {
  readonly text: string
  readonly env: NodeJS.ProcessEnv
}

const samplingMs = 50
const longestMs = 900_000
const outerScript = `set -o pipefail
exec 9>"$1"
TIMEFORMAT='%R %U %S'
{ time { eval "$2" 2>&8; } 8>&8; } 8>&2 2>&9`

/** Runs a bash script to its end. Rejects when it fails, takes a quarter of an hour or is aborted. */
export async function measure(script: Script, signal: AbortSignal): Promise<Cost> {
  const folder = mkdtempSync(join(tmpdir(), 'btrvault-bench-time-'))
  try {
    const times = join(folder, 'times')
    const args = ['-c', outerScript, 'bench', times, script.text]
    const child = spawn('/bin/bash', args, {
      env: script.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const tree = new TreeWatch(child.pid ?? 0)
    const sampling = setInterval(() => tree.sample(), samplingMs)
    const kill = () => tree.kill()
    const deadline = setTimeout(kill, longestMs)
    signal.addEventListener('abort', kill, { once: true })
    try {
      const { status, output, complaint } = await outcomeOf(child)
      signal.throwIfAborted()
      if (status !== 0) throw new Error(`a measured command failed with ${status}:\n${complaint}`)
      return { ...timesIn(times), ...tree.peaks(), output }
    } finally {
      clearInterval(sampling)
      clearTimeout(deadline)
      signal.removeEventListener('abort', kill)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function outcomeOf(child: ReturnType<typeof spawn>) {
  let [output, complaint] = ['', '']
  child.stdout?.on('data', (text: Buffer) => (output = (output + text).slice(-1_000_000)))
  child.stderr?.on('data', (text: Buffer) => (complaint = (complaint + text).slice(-4000)))
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve)
    child.once('error', reject)
  })
  return { status, output, complaint }
}

function timesIn(path: string): Pick<Cost, 'wallS' | 'cpuS'> {
  const line = readFileSync(path, 'utf8').trim().split('\n').at(-1) ?? ''
  const [wallS = Number.NaN, userS = Number.NaN, systemS = Number.NaN] = line.split(' ').map(Number)
  if (Number.isNaN(wallS + userS + systemS)) throw new Error(`bash gave no times: ${line}`)
  return { wallS, cpuS: userS + systemS }
}

/** A process and all below it, also those that made themselves a group of their own. */
class TreeWatch {
  readonly #root: number
  readonly #btrfsTicks = new Map<number, number>()
  #treeBytes = 0
  #processBytes = 0

  constructor(root: number) {
    this.#root = root
  }

  sample(): void {
    let sum = 0
    for (const pid of treeOf(this.#root)) {
      const status = readOrEmpty(`/proc/${pid}/status`)
      sum += kibibytes(status, 'VmRSS')
      this.#processBytes = Math.max(this.#processBytes, kibibytes(status, 'VmHWM'))
      if (/^Name:\tbtrfs$/m.test(status)) this.#countTicks(pid)
    }
    this.#treeBytes = Math.max(this.#treeBytes, sum)
  }

  peaks(): Pick<Cost, 'btrfsCpuS' | 'treeBytes' | 'processBytes'> {
    const ticks = this.#btrfsTicks.values().reduce((sum, some) => sum + some, 0)
    // Linux counts in hundredths wherever it runs this.
    return {
      btrfsCpuS: ticks / 100,
      treeBytes: this.#treeBytes,
      processBytes: this.#processBytes,
    }
  }

  kill(): void {
    for (const pid of treeOf(this.#root).toReversed()) {
      try {
        process.kill(pid, 'SIGTERM')
      } catch {
        // It ended in between.
      }
    }
  }

  #countTicks(pid: number): void {
    const stat = readOrEmpty(`/proc/${pid}/stat`)
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = Number(fields[11]) + Number(fields[12])
    if (ticks > 0) this.#btrfsTicks.set(pid, ticks)
  }
}

function treeOf(root: number): number[] {
  const found = [root]
  for (const pid of found) {
    for (const thread of threadsOf(pid)) {
      const children = readOrEmpty(`/proc/${pid}/task/${thread}/children`)
      found.push(...children.split(' ').filter(Boolean).map(Number))
    }
  }
  return found
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function kibibytes(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
