// The credentials of `access_key_file`: read when a remote is opened, and never part of the Config,
// which may be printed.

import { open } from 'node:fs/promises'
import { Failure, messageOf } from '../base/failure.ts'
import type { RemoteAddress, S3Credentials } from '../model/remote.ts'
import type { RemoteConfig } from './config.ts'

/** The remote's address, with the credentials of its file where it has one. */
export async function withCredentials(remote: RemoteConfig): Promise<RemoteAddress> {
  const { address, accessKeyFile } = remote
  if (address.kind !== 's3' || accessKeyFile === undefined) return address
  const section = address.profile ?? 'default'
  const text = await readPrivateText(accessKeyFile)
  const credentials = parseAccessKeyFile(text, section)
  if (!credentials) {
    throw new Failure(
      'config-invalid',
      `cannot use ${accessKeyFile}: its section [${section}] has no aws_access_key_id with aws_secret_access_key`,
      { hint: 'write the file in the format of ~/.aws/credentials' },
    )
  }
  // The file is for credentials alone: a profile may be in no other file.
  return { ...address, profile: undefined, credentials }
}

/** The format of `~/.aws/credentials`; undefined when the section has no access key. */
export function parseAccessKeyFile(text: string, section: string): S3Credentials | undefined {
  const values = new Map<string, string>()
  let current: string | undefined
  for (const raw of text.split('\n')) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue
    const heading = /^\[\s*(?:profile\s+)?(.+?)\s*\]$/.exec(line)
    if (heading) current = heading[1]
    const pair = /^([a-z_]+)\s*=\s*(.*)$/.exec(line)
    if (pair && current === section) values.set(pair[1] as string, pair[2] as string)
  }
  const accessKeyId = values.get('aws_access_key_id')
  const secretAccessKey = values.get('aws_secret_access_key')
  if (!accessKeyId || !secretAccessKey) return undefined
  return { accessKeyId, secretAccessKey, sessionToken: values.get('aws_session_token') }
}

async function readPrivateText(path: string): Promise<string> {
  try {
    await using file = await open(path)
    const { mode } = await file.stat()
    if ((mode & 0o077) !== 0) {
      throw new Failure('config-invalid', `cannot use ${path}: other users can read or change it`, {
        hint: `run chmod 600 on it`,
      })
    }
    return await file.readFile('utf8')
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure('config-invalid', `cannot read ${path}: ${messageOf(error)}`, {
      cause: error,
      hint: 'remotes with access_key_file need that file',
    })
  }
}
