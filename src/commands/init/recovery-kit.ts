// The recovery kit: one page to print and keep with the identity. Everything that a person needs
// on a bare machine but the identity itself, which it never holds.

import type { Config } from '../../config/config.ts'
import type { RepositoryId } from '../../model/ids.ts'
import { describeRemote, type RemoteAddress } from '../../model/remote.ts'
import { parseRecipient } from '../../pack/recipients.ts'

export interface KitFacts {
  readonly config: Config
  /** The text of allowed_signers. */
  readonly signers: string
  /** Of the remotes that could be reached, by name. */
  readonly repositories: ReadonlyMap<string, RepositoryId>
  readonly made: Date
  readonly host: string
}

export function recoveryKit({ config, signers, repositories, made, host }: KitFacts): string {
  const places = config.remotes.map(({ name, address }) => {
    const id = repositories.get(name)
    return `- ${name}: ${remoteUrl(address)}${id ? `, repository ${id}` : ''}`
  })
  const [first] = config.remotes
  const from = first ? `'${remoteUrl(first.address)}'` : 'ADDRESS'
  const source = config.sources[0]?.name ?? 'SOURCE'
  // A post-quantum recipient is 1,959 characters: nobody types that in, and its ends tell it apart.
  const recipients = config.keys.recipients.map(text => `- ${parseRecipient(text).label}`)
  return `# Recovery kit for the btrvault backups of ${host}

Made ${made.toISOString().slice(0, 10)}. Print this page and keep it with the identity, away from ${host}.
The identity (the file with a line that begins with AGE-SECRET-KEY) is NOT on this page: without it,
nobody can read these backups, not even with everything below.

## What is backed up

${config.sources.map(({ name, path }) => `- ${name}: ${path}`).join('\n')}

## Where it lies

${places.join('\n')}

Credentials for these places are not on this page either. Write down here where they are kept:
________________________________________________________________

## Who can read it (recipients)

${recipients.length > 0 ? recipients.join('\n') : '- anybody: these backups are not encrypted'}

## Whose backups to believe

Save these lines as the file \`allowed_signers\`:

\`\`\`
${signers.trimEnd()}
\`\`\`

## How to get it back

On any Linux with btrfs-progs, as root, with btrvault:

\`\`\`sh
btrvault list --from ${from} --identity identity.txt --signers allowed_signers
btrvault restore --from ${from} --identity identity.txt --signers allowed_signers ${source} --to /mnt
\`\`\`

Without btrvault: RESTORE.md, at the top of each place above, says how with ssh-keygen, sha256sum,
age, zstd and btrfs.

## Try it

Once a year, on another machine, with this page and the identity alone.
Tried on: ____________  ____________  ____________  ____________
`
}

/** What --from takes; no credentials. */
export function remoteUrl(address: RemoteAddress): string {
  if (address.kind === 'directory') return address.path
  const { endpoint, region, pathStyle } = address
  const query = [
    ...(endpoint === undefined ? [] : [`endpoint=${readable(endpoint)}`]),
    ...(region === undefined ? [] : [`region=${readable(region)}`]),
    ...(pathStyle === undefined ? [] : [`path-style=${pathStyle}`]),
  ].join('&')
  return query === '' ? describeRemote(address) : `${describeRemote(address)}?${query}`
}

/** Escaped only where it must be: people type this in from paper. */
function readable(text: string): string {
  return encodeURIComponent(text).replaceAll('%3A', ':').replaceAll('%2F', '/')
}
