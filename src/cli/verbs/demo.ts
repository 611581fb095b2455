// btrvault demo: the whole way once, on a btrfs of its own.

import { Failure, isFailure } from '../../base/failure.ts'
import { formatBytes, formatDuration } from '../../base/units.ts'
import type { DemoNews, DemoReport, OwnProgram } from '../../commands/demo.ts'
import { makePaint, type Paint } from '../colour.ts'
import { escapeControls } from '../escape.ts'
import { type Cell, formatTable } from '../table.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'
import { widthOf, wrap } from '../width.ts'

export const demoVerb: Verb = {
  name: 'demo',
  summary: 'show the whole way once, on a btrfs made for it',
  description:
    'Make a btrfs in a temporary folder, fill it, back it up, change it, back it up again, restore both points in time onto a second btrfs, and compare every file with tools that are not ours. Each step shows the command line that a user would type, and runs it. Touches nothing of yours and leaves nothing behind, also when interrupted. Needs root, loop devices, 1.5 GiB of temporary space (TMPDIR) and about a minute.',
  examples: [
    { does: 'watch it', line: 'btrvault demo' },
    { does: 'and look around in it afterwards', line: 'btrvault demo --keep' },
  ],
  flags: [{ flags: '--keep', doc: 'keep the temporary folder, to look around in it' }],
  exits: [3, 4, 20],
  run: runDemo,
}

async function runDemo(call: Call): Promise<Outcome> {
  const { demo } = await import('../../commands/demo.ts')
  const { flags, stdout } = call
  const isShown = !flags.is('json') && !flags.is('quiet')
  const refused = flags.value('color') === false
  const paint = makePaint({ refused, isTerminal: stdout.isTTY, env: process.env })
  const width = Math.min(stdout.isTTY ? stdout.columns || 80 : 80, 100)
  const teller = new Teller(paint, width)
  const report = await demo(call.context, {
    keep: flags.is('keep'),
    program: ownProgram(isShown, refused),
    tell: news => {
      if (isShown) stdout.write(teller.text(news))
    },
  }).catch((error: unknown) => {
    if (!isFailure(error, 'interrupted')) throw error
    throw new Failure('interrupted', error.message, {
      hint: 'nothing of the demonstration is left',
      cause: error,
    })
  })
  return { report, exit: report.exitStatus, lines: view => demoLines(report, view, width) }
}

function ownProgram(isShown: boolean, refused: boolean): OwnProgram {
  // A debugger's port is taken, and warnings are for whoever works on the program.
  const options = process.execArgv.filter(option => !option.startsWith('--inspect'))
  const script = process.argv[1]
  if (script === undefined) throw new Error('this process was started without a script')
  const env: Record<string, string> = refused ? { NO_COLOR: '1' } : {}
  for (const name of ['TERM', 'NO_COLOR', 'FORCE_COLOR', 'TMPDIR'] as const) {
    const value = process.env[name]
    if (value !== undefined) env[name] = value
  }
  return { command: [process.execPath, ...options, script], isShown, env }
}

/** What happens on the stage, as text. */
export class Teller {
  readonly #paint: Paint
  readonly #width: number
  #chapters = 0

  constructor(paint: Paint, width: number) {
    this.#paint = paint
    this.#width = width
  }

  text(news: DemoNews): string {
    return `${this.#lines(news).join('\n')}\n`
  }

  #lines(news: DemoNews): string[] {
    const paint = this.#paint
    switch (news.kind) {
      case 'begin':
        return [
          `btrvault, the whole way once, in ${paint('strong', escapeControls(news.folder))}`,
          paint('quiet', 'Nothing of yours is touched; all of it is taken down at the end.'),
        ]
      case 'chapter': {
        this.#chapters += 1
        const words = wrap(news.words, this.#width).map(line => paint('quiet', line))
        return ['', headline(`${this.#chapters}  ${news.title}`, paint, this.#width), ...words]
      }
      case 'command': {
        const line = escapeControls(news.line)
        return ['', `${paint('quiet', '$')} ${paint(news.ours ? 'accent' : 'plain', line)}`]
      }
      case 'fact':
        return ['', escapeControls(news.text)]
      case 'judged':
        return judgedLines(news, paint)
    }
  }
}

function judgedLines(news: Extract<DemoNews, { kind: 'judged' }>, paint: Paint): string[] {
  const compared = `${news.lineCount.toLocaleString('en-US')} lines`
  if (news.equal) {
    return [
      `${paint('good', '✓')} ${news.what}: ${compared}, no difference: names, contents and attributes are equal`,
    ]
  }
  const why = news.onlyRootTime
    ? ['Only the time of the top folder differs: btrfs receive itself set it, the stream has none.']
    : []
  return [
    `${paint('bad', '✗')} ${news.what}: ${compared}, and these differ:`,
    ...news.lines.map(line => `  ${escapeControls(line)}`),
    ...why,
  ]
}

export function demoLines(report: DemoReport, view: View, width = 80): string[] {
  const { paint } = view
  const { backups, commands, restored, durationMs, folder } = report
  const right = { align: 'right' } as const
  const costs = new Map([
    ['btrvault backup', backups[0]],
    ['btrvault backup again', backups[1]],
  ])
  let seen = 0
  const rows = commands.map(({ line, durationMs: ms }): Cell[] => {
    const isBackup = line === 'btrvault backup'
    if (isBackup) seen += 1
    const cost = isBackup ? costs.get(seen === 1 ? line : `${line} again`) : undefined
    const sizes = cost ? [formatBytes(cost.readBytes), formatBytes(cost.storedBytes)] : ['', '']
    return [line, ...sizes, formatDuration(ms)]
  })
  const columns = [
    { heading: 'command', shrinks: true },
    { heading: 'read', ...right },
    { heading: 'stored', ...right },
    { heading: 'time', ...right },
  ] as const
  const equal = restored.every(one => one.equal)
  const verdict = equal
    ? `${paint('good', '✓ Both points in time came back equal')}, in ${formatDuration(durationMs)} all in all.`
    : `${paint('bad', '✗ What came back is not equal')}: see above.`
  return [
    '',
    headline('What it cost', paint, width),
    ...formatTable(columns, rows, { paint, width }),
    '',
    verdict,
    ...(folder === null ? ['Nothing is left behind.'] : keptLines(folder, paint)),
  ]
}

function keptLines(folder: string, paint: Paint): string[] {
  return [
    `It is all still there, mounted, in ${paint('strong', folder)}. To look around:`,
    '',
    `  cd ${folder}; export BTRVAULT_CONFIG=$PWD/config.yaml`,
    '  btrvault list; ls -l source/home target/*; less recovery-kit.md repository/RESTORE.md',
    '',
    'And when you have seen enough:',
    '',
    `  cd /; umount ${folder}/source ${folder}/target; rm -r ${folder}`,
  ]
}

function headline(text: string, paint: Paint, width: number): string {
  const start = `── ${text} `
  const rest = '─'.repeat(Math.max(2, width - widthOf(start)))
  return `${paint('quiet', '──')} ${paint('strong', text)} ${paint('quiet', rest)}`
}
