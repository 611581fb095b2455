// What the pages take for granted: a machine with /home on btrfs, another disk, a stick for the
// identity, and a bucket named my-backups with its credentials in the environment.

import { randomBytes } from 'node:crypto'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import type { BtrfsWorld } from '../support/btrfs-world.ts'
import type { Radosgw } from '../support/radosgw.ts'
import { FreshMachine } from './fresh-machine.ts'

/** Its /home is the first filesystem's; /mnt/disk and /mnt/new lie on the second. */
export function machineWithHome(world: BtrfsWorld, env: Record<string, string>): FreshMachine {
  world.sh(`
    [ ! -e home ] || exit 0
    btrfs -q subvolume create home
    btrfs -q subvolume create snapshots
    mkdir -p home/anna
    echo 'dear diary' > home/anna/diary.txt
    head -c 3000000 /dev/urandom > home/anna/photo.jpg
    btrfs -q subvolume create ../second/disk
    btrfs -q subvolume create ../second/new
  `)
  return new FreshMachine(world, {
    name: 'machine',
    disks: { sda2: world.device('first'), sdb1: world.device('second') },
    folders: { '/media/stick': world.outside('stick') },
    mounts: `mkdir -p /home /.snapshots /mnt/disk /mnt/new
mount -o subvol=home /dev/sda2 /home
mount -o subvol=snapshots /dev/sda2 /.snapshots
mount -o subvol=disk /dev/sdb1 /mnt/disk
mount -o subvol=new /dev/sdb1 /mnt/new`,
    env,
  })
}

export interface Tenant {
  /** Makes `s3://my-backups` mean this tenant's bucket on the test server, and opens it. */
  readonly env: Record<string, string>
  readonly name: string
  readonly client: S3Client
}

/** A tenant's buckets are its own, so that tests beside each other may all use one name. */
export async function makeTenant(server: Radosgw, { locks = false } = {}): Promise<Tenant> {
  const name = `docs${randomBytes(4).toString('hex')}`
  const { env, client } = addUser(server, name, 'owner')
  await client.send(
    new CreateBucketCommand({ Bucket: 'my-backups', ObjectLockEnabledForBucket: locks }),
  )
  return { env, name, client }
}

export function addUser(server: Radosgw, tenant: string, user: string) {
  const accessKeyId = `AK${randomBytes(8).toString('hex')}`
  const secretAccessKey = `SK${randomBytes(16).toString('hex')}`
  server.admin(
    `user create --tenant ${tenant} --uid ${user} --display-name ${user} --access-key ${accessKeyId} --secret-key ${secretAccessKey}`.split(
      ' ',
    ),
  )
  const client = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  })
  const env = {
    AWS_ENDPOINT_URL_S3: server.endpoint,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  }
  return { env, client }
}
