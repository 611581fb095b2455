// restic, of a read-only snapshot that always stands at the same path, so that it finds its parent.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Contender, quote, type Step, type Turn } from './contender.ts'
import { measure } from './measure.ts'

export function restic(where: 'S3' | 'a folder'): Contender {
  return {
    name: `restic to ${where}`,
    begin: async turn => {
      const password = join(turn.folder, 'restic-password')
      writeFileSync(password, 'a benchmark has no secrets\n')
      const call = `restic -q -r ${quote(repositoryOf(turn, where))} -p ${quote(password)} --cache-dir ${quote(join(turn.folder, 'restic-cache'))}`
      await measure({ text: `${call} init`, env: turn.env }, AbortSignal.timeout(60_000))
      const repository = where === 'S3' ? null : repositoryOf(turn, where)
      return { repository, script: step => scriptOf(step, turn, call) }
    },
  }
}

function scriptOf(step: Step, { live, target }: Turn, call: string): string {
  if (step === 'restore') return `${call} restore latest --target ${quote(target)}`
  const current = quote(`${live}-current`)
  const renew = step === 'full' ? '' : `btrfs -q subvolume delete ${current} > /dev/null\n`
  return `${renew}btrfs -q subvolume snapshot -r ${quote(live)} ${current}
    ${call} backup ${current}`
}

function repositoryOf({ ground, folder, prefix }: Turn, where: 'S3' | 'a folder'): string {
  if (where === 'a folder') return join(folder, 'restic')
  return `s3:${ground.bucket.server.endpoint}/${ground.bucket.name}/${prefix}`
}
