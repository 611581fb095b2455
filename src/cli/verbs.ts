// The verbs, in the order in which a newcomer needs them. A new one is a file and a line here.

import type { Verb } from './verb.ts'
import { backupVerb } from './verbs/backup.ts'
import { configVerb } from './verbs/config.ts'
import { demoVerb } from './verbs/demo.ts'
import { doctorVerb } from './verbs/doctor.ts'
import { duVerb } from './verbs/du.ts'
import { forgetVerb } from './verbs/forget.ts'
import { initVerb } from './verbs/init.ts'
import { keygenVerb } from './verbs/keygen.ts'
import { listVerb } from './verbs/list.ts'
import { planVerb } from './verbs/plan.ts'
import { policyVerb } from './verbs/policy.ts'
import { pruneVerb } from './verbs/prune.ts'
import { restoreVerb } from './verbs/restore.ts'
import { statusVerb } from './verbs/status.ts'
import { undeleteVerb } from './verbs/undelete.ts'
import { verifyVerb } from './verbs/verify.ts'

export const verbs: readonly Verb[] = [
  demoVerb,
  configVerb,
  keygenVerb,
  initVerb,
  policyVerb,
  doctorVerb,
  planVerb,
  backupVerb,
  statusVerb,
  listVerb,
  verifyVerb,
  restoreVerb,
  forgetVerb,
  undeleteVerb,
  pruneVerb,
  duVerb,
]
