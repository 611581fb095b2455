// What a verb of the command line is: its words for --help, its flags, and how it is done. One file
// under verbs/ each; the code that does it is imported only when it is asked for.

import type { Context } from '../commands/shared/context.ts'
import type { Config } from '../config/config.ts'
import type { Paint } from './colour.ts'
import type { ExitStatus } from './exits.ts'

export interface Verb {
  readonly name: string
  /** One line, for the list of verbs. */
  readonly summary: string
  /** What it does, in a few sentences; blank lines part paragraphs. */
  readonly description: string
  readonly examples: readonly Example[]
  readonly arguments?: readonly Argument[]
  readonly flags?: readonly Flag[]
  /** Changes something: it then has --dry-run. */
  readonly mutates?: true
  /** Besides 0, 1, 2, 70 and 130, which every verb may end with. */
  readonly exits: readonly ExitStatus[]
  readonly run?: (call: Call) => Promise<Outcome>
  /** What progress counts; `read` and `stored` when absent. */
  readonly counted?: CountedWords
  /** Verbs below this one; it then has no `run`. */
  readonly verbs?: readonly Verb[]
}

/** The words for a progress event's readBytes and storedBytes. */
export interface CountedWords {
  readonly read: string
  readonly stored: string
}

export interface Example {
  readonly line: string
  readonly does: string
}

export interface Argument {
  /** `source`, `source...` for any number. */
  readonly name: string
  readonly doc: string
  readonly required?: true
}

export interface Flag {
  /** As commander writes it: `-o, --out <file>`, `--classic`. */
  readonly flags: string
  readonly doc: string
  readonly choices?: readonly string[]
  /** Shown as default; the value is left undefined. */
  readonly defaultText?: string
  /** May be given several times. */
  readonly repeats?: true
  /** Text → value; throws a Failure or returns undefined when the text is none. `wants` says what is. */
  readonly parse?: (text: string) => unknown
  readonly wants?: string
}

export interface Call {
  readonly context: Context
  /** Reads and checks the configuration; Failure 'config-invalid'. */
  readonly config: () => Promise<Config>
  /** The configuration where there is one; undefined when none was named and none is at its place. */
  readonly configIfAny: () => Promise<Config | undefined>
  /** Where the configuration is, or would be. */
  readonly configPath: string
  readonly arguments: readonly string[]
  readonly flags: Flags
  /** Asks on a terminal, refuses without --yes off it. */
  readonly agree: (deed: string, question: string) => Promise<void>
  /** Asks without showing what is typed; Failure 'refused' off a terminal. */
  readonly secret: (question: string) => Promise<string>
  /** For verbs whose product is bytes. */
  readonly stdout: NodeJS.WriteStream
}

/** The values of a verb's flags, by commander's camel-case names. */
export class Flags {
  readonly #values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values
  }

  text(name: string): string | undefined {
    const value = this.#values[name]
    return typeof value === 'string' ? value : undefined
  }

  is(name: string): boolean {
    return this.#values[name] === true
  }

  number(name: string): number | undefined {
    const value = this.#values[name]
    return typeof value === 'number' ? value : undefined
  }

  list(name: string): readonly string[] {
    const value = this.#values[name]
    return Array.isArray(value) ? value.map(String) : []
  }

  /** What the flag's `parse` gave. */
  value(name: string): unknown {
    return this.#values[name]
  }
}

/** What came of a verb. */
export interface Outcome {
  /** Plain values: what --json prints. */
  readonly report: unknown
  /** What people read on standard output; text from outside must have been escaped. */
  readonly lines: (view: View) => readonly string[]
  /** 0 when absent. */
  readonly exit?: number
  /** `lines` are the product itself (a schema, an example): printed with --quiet and --json too. */
  readonly isDocument?: true
}

export interface View {
  readonly paint: Paint
  /** Columns of standard output. */
  readonly width: number
  readonly verbose: boolean
}
