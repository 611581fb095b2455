// Two machines and a bucket of a real server: one whose credentials are exactly what `btrvault policy
// s3 --role writer --write-only` prints, and one that reads.

import { ListObjectsV2Command, PutBucketPolicyCommand } from '@aws-sdk/client-s3'
import { init } from '../../src/commands/init.ts'
import { type PolicyOptions, policyS3 } from '../../src/commands/policy-s3.ts'
import type { Access, Config } from '../../src/config/config.ts'
import { addUser, makeTenant, type Tenant } from '../docs/scene.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { makeVault, type Vault } from '../support/vault.ts'

export const Bucket = 'my-backups'
const place = { bucket: Bucket, prefix: 'host-01' }
const roles: Readonly<Record<'writer' | 'reader', PolicyOptions>> = {
  writer: { role: 'writer', writeOnly: true, createOnly: false },
  reader: { role: 'reader', writeOnly: false, createOnly: false },
}

type User = ReturnType<typeof addUser>

interface Parts {
  readonly server: Radosgw
  readonly tenant: Tenant
  readonly users: Readonly<Record<'writer' | 'reader', User>>
  readonly vault: Vault
}

/** The vault is the writer's, without a repository yet. */
export async function makeWriteOnlyScene(): Promise<WriteOnlyScene> {
  const server = await startRadosgw()
  try {
    const tenant = await makeTenant(server)
    const writer = addUser(server, tenant.name, 'writer')
    const reader = addUser(server, tenant.name, 'reader')
    const vault = await makeVault({ bare: true })
    const scene = new WriteOnlyScene({ server, tenant, users: { writer, reader }, vault })
    vault.config = scene.configAs(writer.env, 'write-only')
    await scene.allowRoles()
    return scene
  } catch (error) {
    await server.stop()
    throw error
  }
}

export class WriteOnlyScene {
  readonly tenant: Tenant
  readonly vault: Vault
  readonly #server: Radosgw
  readonly #users: Parts['users']

  constructor({ server, tenant, users, vault }: Parts) {
    this.tenant = tenant
    this.vault = vault
    this.#server = server
    this.#users = users
  }

  async allowRoles(): Promise<void> {
    const { name, client } = this.tenant
    const Statement = Object.entries(roles).flatMap(([role, options]) => {
      const Principal = { AWS: [`arn:aws:iam::${name}:user/${role}`] }
      return policyS3(place, options).Statement.map(statement => {
        return { ...statement, Sid: `${role}${statement.Sid}`, Principal }
      })
    })
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await client.send(new PutBucketPolicyCommand({ Bucket, Policy }))
  }

  configAs(env: Record<string, string>, access: Access): Config {
    const credentials = {
      accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
    }
    const { endpoint } = this.#server
    const address = { kind: 's3', ...place, endpoint, region: 'us-east-1', credentials } as const
    const { config } = this.vault
    return { ...config, remotes: config.remotes.map(remote => ({ ...remote, address, access })) }
  }

  /** Another machine, with a reader's credentials, a key of its own and nothing remembered. */
  reader(env: Record<string, string> = this.#users.reader.env): Config {
    const config = this.configAs(env, 'full')
    const { world } = this.vault
    const signingKey = world.outside('keys', 'of-the-reader')
    const keys = { ...config.keys, signingKey }
    return { ...config, state: world.outside('state-of-the-reader'), keys }
  }

  async init(given: { readonly repository?: string } = {}, config: Config = this.vault.config) {
    const { identity, context, world } = this.vault
    const kit = world.outside('kit.md')
    const options = { config, remotes: [], identity, kit, dryRun: false, ...given }
    return (await init(context, options)).remotes[0]
  }

  async objects(): Promise<{ readonly key: string; readonly storageClass: string }[]> {
    const { Contents = [] } = await this.tenant.client.send(new ListObjectsV2Command({ Bucket }))
    return Contents.map(({ Key = '', StorageClass = 'STANDARD' }) => ({
      key: Key,
      storageClass: StorageClass as string,
    }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.vault[Symbol.asyncDispose]()
    this.#users.writer.client.destroy()
    this.#users.reader.client.destroy()
    this.tenant.client.destroy()
    await this.#server.stop()
  }
}
