// The process that cut-backup.test.ts kills: one backup of the stand at the folder of its first
// argument, that ends itself by SIGKILL before the effect of the second.

import { Effects } from './effects.ts'
import { Stand } from './stand.ts'

const [, , root = '', at = ''] = process.argv
const stand = new Stand(root)
const effects = new Effects({ at: Number(at), when: 'before', how: 'kill' })
using _ = effects.files(stand.state)
const report = await stand.backup({
  btrfs: effects.btrfs(stand.btrfs),
  openStore: stand.openStore(store => effects.store(store)),
})
process.stdout.write(`done ${report.exitStatus} ${effects.seen.length}\n`)
