// What a careful user would write in a shell: send, zstd, age, and an upload; and back.

import { join } from 'node:path'
import { type Attempt, type Contender, quote, type Step, type Turn } from './contender.ts'

/** An age key pair that everybody encrypts to. */
export interface KeyPair {
  readonly recipient: string
  readonly identityFile: string
}

/** The floor: the kernel's send alone, of a snapshot that is there already. */
export function bareSend(): Contender {
  return {
    name: 'btrfs send > /dev/null',
    begin: async turn => {
      const [first, second] = snapshots(turn)
      return {
        repository: turn.folder,
        before: step => {
          if (step === 'full') snapshot(turn, first)
          if (step === 'incremental') snapshot(turn, second)
        },
        script: step => {
          if (step === 'full') return `btrfs send -q --proto 2 ${quote(first)} > /dev/null`
          if (step !== 'incremental') return undefined
          return `btrfs send -q --proto 2 -p ${quote(first)} ${quote(second)} > /dev/null`
        },
      }
    },
  }
}

/** The floor of a restore: btrfs receive alone, of streams that lie in the page cache. */
export function bareReceive(): Contender {
  return {
    name: 'btrfs receive < file',
    begin: async turn => {
      const [first, second] = snapshots(turn)
      const file = (name: string) => join(turn.folder, name)
      const { world } = turn.ground
      return {
        repository: turn.folder,
        before: step => {
          if (step === 'full') snapshot(turn, first)
          if (step === 'incremental') snapshot(turn, second)
          if (step !== 'restore') return
          world.sh('btrfs send -q --proto 2 "$1" > "$2"', first, file('first'))
          world.sh('btrfs send -q --proto 2 -p "$1" "$2" > "$3"', first, second, file('second'))
        },
        script: step => {
          if (step !== 'restore') return undefined
          const receive = (name: string) =>
            `btrfs receive -q ${quote(turn.target)} < ${quote(file(name))}`
          return `${receive('first')} && ${receive('second')}`
        },
      }
    },
  }
}

interface Pipe {
  readonly isLocal: boolean
  readonly name: string
  readonly put: (turn: Turn, name: string) => string
  readonly get: (turn: Turn, name: string) => string
}

export function filePipeline(keys: KeyPair): Contender {
  return pipeline(keys, {
    name: 'pipeline to a file',
    isLocal: true,
    put: ({ folder }, name) =>
      `cat > ${quote(join(folder, name))} && sync -d ${quote(join(folder, name))}`,
    get: ({ folder }, name) => `cat ${quote(join(folder, name))}`,
  })
}

export function s3Pipeline(keys: KeyPair, tool: 'aws' | 'rclone'): Contender {
  const address = ({ ground, prefix }: Turn, name: string) =>
    tool === 'aws'
      ? `s3://${ground.bucket.name}/${prefix}/${name}`
      : `:s3:${ground.bucket.name}/${prefix}/${name}`
  const aws = ({ ground }: Turn) =>
    `aws --endpoint-url ${ground.bucket.server.endpoint} s3 cp --only-show-errors`
  const rclone = ({ ground }: Turn) =>
    `rclone --s3-provider Ceph --s3-env-auth --s3-endpoint ${ground.bucket.server.endpoint}`
  return pipeline(keys, {
    name: `pipeline to S3 (${tool})`,
    isLocal: false,
    put: (turn, name) =>
      tool === 'aws'
        ? `${aws(turn)} - ${address(turn, name)}`
        : `${rclone(turn)} rcat ${address(turn, name)}`,
    get: (turn, name) =>
      tool === 'aws'
        ? `${aws(turn)} ${address(turn, name)} -`
        : `${rclone(turn)} cat ${address(turn, name)}`,
  })
}

function pipeline(keys: KeyPair, pipe: Pipe): Contender {
  return { name: pipe.name, begin: async turn => new PipelineAttempt(keys, pipe, turn) }
}

class PipelineAttempt implements Attempt {
  readonly #keys: KeyPair
  readonly #pipe: Pipe
  readonly #turn: Turn

  constructor(keys: KeyPair, pipe: Pipe, turn: Turn) {
    this.#keys = keys
    this.#pipe = pipe
    this.#turn = turn
  }

  get repository(): string | null {
    return this.#pipe.isLocal ? this.#turn.folder : null
  }

  script(step: Step): string | undefined {
    const [first, second] = snapshots(this.#turn)
    switch (step) {
      case 'full':
        return this.#backup(first, '')
      case 'incremental':
        return this.#backup(second, `-p ${quote(first)}`)
      case 'idle':
        return undefined
      case 'restore':
        return `${this.#restore('first')} && ${this.#restore('second')}`
    }
  }

  #backup(snapshot: string, parent: string): string {
    const { recipient } = this.#keys
    const name = snapshot.endsWith('first') ? 'first' : 'second'
    return `btrfs -q subvolume snapshot -r ${quote(this.#turn.live)} ${quote(snapshot)}
      btrfs send -q --proto 2 ${parent} ${quote(snapshot)} | zstd -q -1 -T0 | age -r ${recipient} | {
        ${this.#pipe.put(this.#turn, name)}; }`
  }

  #restore(name: string): string {
    const { identityFile } = this.#keys
    return `${this.#pipe.get(this.#turn, name)} | age -d -i ${quote(identityFile)} | zstd -q -d |
      btrfs receive -q ${quote(this.#turn.target)}`
  }
}

function snapshots({ live }: Turn): readonly [first: string, second: string] {
  return [`${live}-first`, `${live}-second`]
}

function snapshot({ ground, live }: Turn, to: string): void {
  ground.world.sh('btrfs -q subvolume snapshot -r "$1" "$2"', live, to)
}
