// btrvault policy: what to allow the credentials of a machine, and no more.

import { Failure } from '../../base/failure.ts'
import type { Role } from '../../commands/policy-s3.ts'
import type { Call, Outcome, Verb } from '../verb.ts'

const roles: readonly Role[] = ['writer', 'reader', 'pruner']

export const policyVerb: Verb = {
  name: 'policy',
  summary: 'print what to allow the credentials of a machine, and no more',
  description: 'Print what to allow the credentials of a machine, and no more.',
  examples: [
    { does: 'for the machine that is backed up', line: 'btrvault policy s3 --role writer aws' },
  ],
  exits: [],
  verbs: [
    {
      name: 's3',
      summary: 'print the IAM policy of a role, for one bucket and prefix',
      description:
        "Print the policy to give to the user of a role, in AWS's language, which most S3 servers read: for one bucket, and there for one prefix. What it does not allow is refused, unless another policy of the same user allows it.\n\nA writer makes backups and reads them; it deletes nothing but the small objects of a trial. A reader lists, verifies and restores, and may ask for segments to be thawed. A pruner forgets backups and deletes their objects; it makes none, and can't lift an object lock.\n\nNothing is changed and no server is asked. As a policy of the bucket itself each statement needs a Principal besides.",
      examples: [
        {
          does: 'for the machine that is backed up, to the remote aws',
          line: 'btrvault policy s3 --role writer aws',
        },
        {
          does: 'for the one that prunes, without a configuration',
          line: 'btrvault policy s3 --role pruner --bucket my-backups --prefix host-01',
        },
      ],
      arguments: [
        { name: 'remote', doc: 'a remote of the configuration; not needed when one is a bucket' },
      ],
      flags: [
        { flags: '--role <role>', doc: 'what the machine does', choices: roles },
        { flags: '--bucket <name>', doc: 'this bucket, without a configuration' },
        { flags: '--prefix <prefix>', doc: 'with --bucket: where the repository lies in it' },
        {
          flags: '--lock',
          doc: 'for a bucket with object lock; as the configuration says, for a remote of it',
        },
        { flags: '--write-only', doc: 'a writer that can neither read nor list' },
        {
          flags: '--create-only',
          doc: 'a writer that can write over nothing but RESTORE.md and trials; only for servers that know the condition s3:if-none-match, as Amazon S3 does: others then refuse every backup',
        },
      ],
      exits: [],
      run: runPolicyS3,
    },
  ],
}

async function runPolicyS3({ flags, ...call }: Call): Promise<Outcome> {
  const { policyS3, placeOfRemote } = await import('../../commands/policy-s3.ts')
  const role = roles.find(one => one === flags.text('role'))
  if (role === undefined) {
    throw new Failure('usage', 'cannot make a policy: no role was named', {
      hint: `give --role ${roles.join('|')}`,
    })
  }
  const [remote] = call.arguments
  const bucket = flags.text('bucket')
  const prefix = flags.text('prefix')
  if (bucket === undefined ? prefix !== undefined : remote !== undefined) {
    throw new Failure('usage', 'cannot make a policy: a remote and a bucket were mixed', {
      hint: 'name a remote of the configuration, or give --bucket with --prefix',
    })
  }
  const place =
    bucket === undefined
      ? placeOfRemote(await call.config(), remote)
      : { bucket, prefix: (prefix ?? '').replace(/^\/+|\/+$/g, '') }
  const writeOnly = flags.is('writeOnly')
  const locks = flags.is('lock') || (bucket === undefined && (await isLocked(call, remote)))
  const report = policyS3(place, { role, writeOnly, createOnly: flags.is('createOnly'), locks })
  return { report, lines: () => [JSON.stringify(report, null, 2)], isDocument: true }
}

async function isLocked(call: Pick<Call, 'config'>, remote: string | undefined): Promise<boolean> {
  const { remotes } = await call.config()
  return remotes.some(({ name, lock }) => lock && (remote === undefined || remote === name))
}
