// Reading the configuration file, and saying what is wrong with it.

import { readFile } from 'node:fs/promises'
import { Failure, systemCodeOf } from '../base/failure.ts'
import type { Config, ConfigProblem } from './config.ts'
import { parseConfig } from './parse.ts'

/** Rejects with Failure 'config-invalid' that names every problem in a line of its own. */
export async function loadConfig(path: string): Promise<Config> {
  const parsed = parseConfig(await readConfigText(path), path)
  if ('config' in parsed) return parsed.config
  throw configFailure(path, parsed.problems)
}

export function configFailure(path: string, problems: readonly ConfigProblem[]): Failure {
  const lines = problems.map(problem => formatProblem(path, problem))
  const count = problems.length === 1 ? 'it has a problem' : `it has ${problems.length} problems`
  return new Failure('config-invalid', [`cannot use ${path}: ${count}`, ...lines].join('\n'), {
    hint: 'docs/configuration.md lists every option, and `btrvault config check` reads the file again',
  })
}

/** `file:line:column: what is wrong; write what instead`, as editors understand it. */
export function formatProblem(path: string, problem: ConfigProblem): string {
  return `${path}:${problem.line}:${problem.column}: ${problem.text}`
}

async function readConfigText(path: string): Promise<string> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    const code = systemCodeOf(error)
    const why =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EACCES'
          ? 'this user may not read it'
          : code === 'EISDIR'
            ? 'it is a directory'
            : (code ?? 'it cannot be read')
    throw new Failure('config-invalid', `cannot read the configuration ${path}: ${why}`, {
      hint: 'name the file with --config FILE or BTRVAULT_CONFIG; `btrvault config example` prints one to start from',
      cause: error,
    })
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Failure(
      'config-invalid',
      `cannot read the configuration ${path}: it is not UTF-8 text`,
    )
  }
}
