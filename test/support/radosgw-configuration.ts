// The configuration of the tests' Ceph: the smallest that answers as S3, and quickly.

import { randomBytes } from 'node:crypto'

export interface CephPlace {
  readonly folder: string
  readonly fsid: string
  readonly monPort: number
  readonly rgwPort: number
}

export function cephConfiguration({ folder, fsid, monPort, rgwPort }: CephPlace): string {
  return `[global]
fsid = ${fsid}
mon host = [v2:127.0.0.1:${monPort}/0]
public addr = 127.0.0.1
ms bind ipv6 = false
# Without authentication radosgw loops on an error of its own for a minute.
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = ${folder}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 2000
osd crush chooseleaf type = 0
run dir = ${folder}/run
pid file = ${folder}/run/$name.pid
admin socket =
log file = ${folder}/log/$name.log
crash dir = ${folder}/log
[mon]
# The default of a second would be waited for at every step of the start.
paxos propose interval = 0.05
mon osd min up ratio = 0
mon data = ${folder}/mon
mon cluster log file = ${folder}/log/cluster.log
mon data avail warn = 2
mon data avail crit = 1
[osd]
osd data = ${folder}/osd
osd objectstore = bluestore
bluestore block size = 12884901888
bluestore block create = true
bluestore fsck on mount = false
osd memory target = 939524096
osd class load list = *
[client]
rgw frontends = beast endpoint=127.0.0.1:${rgwPort}
rgw enable apis = s3, admin
rgw thread pool size = 64
rgw data = ${folder}/rgw
`
}

/** One key for each who takes part, with all capabilities. */
export function cephKeyring(): string {
  const allow = (...services: string[]) =>
    services.map(service => `\tcaps ${service} = "allow *"\n`).join('')
  return [
    `[mon.]\n\tkey = ${cephKey()}\n${allow('mon')}`,
    `[client.admin]\n\tkey = ${cephKey()}\n${allow('mon', 'osd', 'mgr')}`,
    `[client.rgw]\n\tkey = ${cephKey()}\n${allow('mon', 'osd', 'mgr')}`,
    `[osd.0]\n\tkey = ${cephKey()}\n${allow('mon', 'osd', 'mgr')}`,
  ].join('')
}

/** Type 1 (AES), time of creation (seconds, nanoseconds), length, 16 bytes; all little endian. */
function cephKey(): string {
  const head = Buffer.alloc(12)
  head.writeUInt16LE(1, 0)
  head.writeUInt32LE(Math.floor(Date.now() / 1000), 2)
  head.writeUInt16LE(16, 10)
  return Buffer.concat([head, randomBytes(16)]).toString('base64')
}
