// What no single place shows: references, clashes, and options that contradict each other. Reads the
// plain values, whose shape is not certain yet, so that these problems are found beside all others.

import { longestLockMs } from '../model/lock.ts'
import {
  keepEverything,
  keepsEverything,
  parseKeepRule,
  type SpanUnit,
  unlimited,
} from '../model/policy.ts'
import type { ConfigProblem } from './config.ts'
import { epochProblems } from './epoch-checks.ts'
import { didYouMean } from './nearest.ts'
import { nameOf, problem } from './problems.ts'
import { namePattern } from './schema.ts'
import { isSection, type Section, sectionOf } from './sections.ts'
import { isPostQuantum, parseAbsolutePath, parseEndpoint } from './values.ts'
import type { YamlSource } from './yaml-source.ts'

export function crossProblems(source: YamlSource): ConfigProblem[] {
  const file = sectionOf(source.value)
  const remotes = Object.entries(sectionOf(file['remotes']))
  return [
    ...nameProblems(file, source),
    ...referenceProblems(file, source),
    ...epochProblems(source),
    ...sourceClashes(file, source),
    ...snapshotsProblems(file, source),
    ...remoteClashes(file, source),
    ...recipientProblems(file, source),
    ...lockProblems(file, source),
    ...remotes
      .filter(([, remote]) => isSection(remote))
      .flatMap(([name, remote]) => remoteProblems(name, sectionOf(remote), source)),
  ]
}

function nameProblems(file: Section, source: YamlSource): ConfigProblem[] {
  const found: ConfigProblem[] = []
  for (const kind of ['sources', 'remotes']) {
    const names = Object.keys(sectionOf(file[kind]))
    if (names.length === 0 && isSection(file[kind])) {
      const instead =
        kind === 'sources' ? 'at least one source, or leave the line out' : 'at least one remote'
      found.push(problem([kind], `is empty; write ${instead}`, source))
    }
    for (const [index, name] of names.entries()) {
      const at = source.keyAt([kind, name])
      if (!namePattern.test(name)) {
        found.push({
          ...at,
          text: `a name in ${kind} has characters that it cannot have, or too many; write up to 64 letters, digits, _, - and ., with a letter or digit first`,
        })
      }
      const twin = names.slice(0, index).find(other => other.toLowerCase() === name.toLowerCase())
      if (twin !== undefined) {
        found.push({
          ...at,
          text: `${kind}.${name} and ${kind}.${twin} differ only in capitals; write names that nobody mixes up`,
        })
      }
    }
  }
  return found
}

function referenceProblems(file: Section, source: YamlSource): ConfigProblem[] {
  const known = Object.keys(sectionOf(file['remotes']))
  return Object.entries(sectionOf(file['sources'])).flatMap(([name, entry]) => {
    const rules = sectionOf(entry)['remotes']
    const names = Object.keys(sectionOf(rules))
    if (names.length === 0 && isSection(rules)) {
      return [
        problem(
          ['sources', name, 'remotes'],
          'is empty; write at least one remote, such as { aws: {} }',
          source,
        ),
      ]
    }
    return names
      .filter(remote => !known.includes(remote))
      .map(remote => ({
        ...source.keyAt(['sources', name, 'remotes', remote]),
        text: `sources.${name} names the remote ${remote}, which is not defined${didYouMean(remote, known)}; write ${known.length === 0 ? 'a section remotes: that has it' : `one of ${known.join(', ')}, or add it to remotes:`}`,
      }))
  })
}

function sourceClashes(file: Section, source: YamlSource): ConfigProblem[] {
  const found: ConfigProblem[] = []
  const paths = new Map<string, string>()
  const folders = new Map<string, string>()
  for (const [name, entry] of Object.entries(sectionOf(file['sources']))) {
    const path = pathOf(sectionOf(entry)['path'])
    const folder = snapshotFolderOf(sectionOf(entry)['snapshots'])
    const samePath = path === undefined ? undefined : paths.get(path)
    const sameFolder = folder === undefined ? undefined : folders.get(folder)
    if (samePath !== undefined) {
      found.push(
        problem(
          ['sources', name, 'path'],
          `is also the path of sources.${samePath}; write one source with both remotes`,
          source,
        ),
      )
    }
    if (sameFolder !== undefined) {
      found.push(
        problem(
          ['sources', name, 'snapshots'],
          `is also the folder of sources.${sameFolder}; write a folder for each source`,
          source,
        ),
      )
    }
    if (path !== undefined && path === folder) {
      found.push(
        problem(
          ['sources', name, 'snapshots'],
          'is the source itself; write another folder on the same btrfs, such as /.snapshots/NAME',
          source,
        ),
      )
    }
    if (path !== undefined) paths.set(path, samePath ?? name)
    if (folder !== undefined) folders.set(folder, sameFolder ?? name)
  }
  return found
}

function snapshotsProblems(file: Section, source: YamlSource): ConfigProblem[] {
  return Object.entries(sectionOf(file['sources'])).flatMap(([name, entry]) => {
    const snapshots = sectionOf(entry)['snapshots']
    if (!isSection(snapshots)) return []
    const at = ['sources', name, 'snapshots']
    const has = (key: string) => Object.hasOwn(snapshots, key)
    const { existing } = snapshots
    if (!has('existing') && !has('path')) {
      const instead = 'write path: /.snapshots/NAME, or existing: snapper'
      return [{ ...source.keyAt(at), text: `${nameOf(at)} does not say where; ${instead}` }]
    }
    if (existing === 'btrbk' && !has('path')) {
      const instead =
        'write path: with the folder of snapshot_dir, such as /mnt/pool/btrbk_snapshots'
      return [{ ...source.keyAt(at), text: `${nameOf(at)} does not say where; ${instead}` }]
    }
    const isPattern = typeof existing === 'string' && existing.startsWith('/')
    const needless = has('existing') ? ['keep', ...(isPattern ? ['path'] : [])].filter(has) : []
    const why = { keep: 'whose snapshots are not ours to delete', path: 'which is a path itself' }
    return needless.map(key => ({
      ...source.keyAt([...at, key]),
      text: `${nameOf([...at, key])} has no meaning beside existing, ${why[key as 'keep']}; write no such line`,
    }))
  })
}

/** Two names for one place would each take the other's objects for its own. */
function remoteClashes(file: Section, source: YamlSource): ConfigProblem[] {
  const found: ConfigProblem[] = []
  const places = new Map<string, string>()
  for (const [name, entry] of Object.entries(sectionOf(file['remotes']))) {
    const place = placeOf(sectionOf(entry))
    if (place === undefined) continue
    const same = places.get(place)
    if (same !== undefined) {
      found.push({
        ...source.keyAt(['remotes', name]),
        text: `remotes.${name} is the same place as remotes.${same}; write another prefix or path, or one remote`,
      })
    }
    places.set(place, same ?? name)
  }
  return found
}

function placeOf(remote: Section): string | undefined {
  const { bucket, prefix, endpoint } = sectionOf(remote['s3'])
  if (typeof bucket === 'string') {
    const server = typeof endpoint === 'string' ? parseEndpoint(endpoint) : undefined
    const origin = server && 'value' in server ? server.value : ''
    return JSON.stringify(['s3', origin, bucket, typeof prefix === 'string' ? prefix : ''])
  }
  const path = pathOf(sectionOf(remote['directory'])['path'])
  return path === undefined ? undefined : JSON.stringify(['directory', path])
}

function recipientProblems(file: Section, source: YamlSource): ConfigProblem[] {
  const given = sectionOf(file['keys'])['recipients']
  const recipients = Array.isArray(given) ? given : []
  const remotes = Object.entries(sectionOf(file['remotes']))
  const encrypting = remotes.find(([, remote]) => sectionOf(remote)['encrypt'] !== 'none')
  if (recipients.length === 0) {
    // An empty list would be taken for "given" by a reader, so it is refused in any case.
    if (!Array.isArray(given) && (given !== undefined || !encrypting)) return []
    const why = encrypting ? `, so that nobody could read what remotes.${encrypting[0]} keeps` : ''
    const at = given === undefined ? source.keyAt(['keys']) : source.valueAt(['keys', 'recipients'])
    const what = given === undefined ? 'keys.recipients is missing' : 'keys.recipients is empty'
    return [
      { ...at, text: `${what}${why}; write recipients: [age1…] (\`btrvault keygen\` makes one)` },
    ]
  }
  const found: ConfigProblem[] = []
  const texts = recipients.map(one => (typeof one === 'string' ? one.trim() : undefined))
  for (const [index, text] of texts.entries()) {
    if (text === undefined) continue
    if (texts.indexOf(text) < index) {
      found.push(
        problem(
          ['keys', 'recipients', index],
          'is the same key as one before it; write each once',
          source,
        ),
      )
    }
  }
  const hybrid = texts.findIndex(text => text !== undefined && isPostQuantum(text))
  const classical = texts.findIndex(text => text !== undefined && !isPostQuantum(text))
  if (hybrid >= 0 && classical >= 0) {
    found.push(
      problem(
        ['keys', 'recipients', Math.max(hybrid, classical)],
        'mixes post-quantum and classical recipients, which age refuses; write only age1pq1… keys, or none of them',
        source,
      ),
    )
  }
  return found
}

/** `expiry` needs a rule that lets go: of what it keeps for ever, the time is not known. */
function lockProblems(file: Section, source: YamlSource): ConfigProblem[] {
  const remotes = sectionOf(file['remotes'])
  return Object.entries(sectionOf(file['sources'])).flatMap(([name, entry]) =>
    Object.entries(sectionOf(sectionOf(entry)['remotes'])).flatMap(([remote, given]) => {
      const lock = sectionOf(sectionOf(remotes[remote])['lock'])
      if (lock['until'] !== 'expiry') return []
      const ruleSets: readonly unknown[] = Array.isArray(given) ? given : [given]
      const why = ruleSets.map(rules => endlessRule(sectionOf(rules)['keep'])).find(Boolean)
      const at = ['remotes', remote, 'lock', 'until']
      const text = `is expiry, but sources.${name}.remotes.${remote}.keep ${why}; write a duration such as 90d, or there spans such as 1y 3m 30d`
      return why === undefined ? [] : [problem(at, text, source)]
    }),
  )
}

/** Undefined also where the rule is no rule, which is told elsewhere. */
function endlessRule(keep: unknown): string | undefined {
  const rule = typeof keep === 'string' ? parseKeepRule(keep) : keepEverything.keep
  if (rule === undefined) return undefined
  if (keepsEverything(rule)) return 'keeps everything'
  if (rule.spans.some(({ count }) => count === unlimited)) return 'keeps some for ever'
  if (rule.spans.length === 0) return 'has no spans'
  const longest = Math.max(...rule.spans.map(({ unit, count }) => count * longestSpanMs[unit]))
  return longest > longestLockMs ? 'keeps for more than ten years' : undefined
}

const dayMs = 86_400_000
const longestSpanMs: Readonly<Record<SpanUnit, number>> = {
  y: 365 * dayMs,
  q: 92 * dayMs,
  m: 31 * dayMs,
  w: 7 * dayMs,
  d: dayMs,
  h: 3_600_000,
  M: 60_000,
  s: 1000,
}

function remoteProblems(name: string, remote: Section, source: YamlSource): ConfigProblem[] {
  const found: ConfigProblem[] = []
  const at = ['remotes', name]
  const kinds = ['s3', 'directory', 'swift', 'btrfs'].filter(kind => Object.hasOwn(remote, kind))
  const where = source.keyAt(at)
  const instead = 'write s3: { bucket: … } or directory: { path: … }'
  if (kinds.length === 0) {
    found.push({ ...where, text: `${nameOf(at)} does not say where it is; ${instead}` })
  }
  if (kinds.length > 1) {
    found.push({
      ...where,
      text: `${nameOf(at)} is ${kinds.join(' and ')} at once; write one of them, and another remote for the other`,
    })
  }
  if (Object.hasOwn(remote, 'storage_class') && !Object.hasOwn(remote, 's3') && kinds.length > 0) {
    found.push({
      ...source.keyAt([...at, 'storage_class']),
      text: `${nameOf([...at, 'storage_class'])} is only for s3; write no such line`,
    })
  }
  if (Object.hasOwn(remote, 'lock') && !Object.hasOwn(remote, 's3') && kinds.length > 0) {
    found.push({
      ...source.keyAt([...at, 'lock']),
      text: `${nameOf([...at, 'lock'])} is only for s3; write no such line`,
    })
  }
  if (remote['access'] === 'write-only' && Object.hasOwn(remote, 'directory')) {
    found.push({
      ...source.valueAt([...at, 'access']),
      text: `${nameOf([...at, 'access'])} is write-only, and a directory can be read by whoever writes there; write no-delete`,
    })
  }
  if (remote['access'] === 'write-only' && Object.hasOwn(remote, 'lock')) {
    found.push({
      ...source.keyAt([...at, 'lock']),
      text: `${nameOf([...at, 'lock'])} cannot be confirmed with access: write-only; write no such line, and give the bucket a default retention`,
    })
  }
  if (remote['compress'] === 'none' && Object.hasOwn(remote, 'level')) {
    found.push({
      ...source.keyAt([...at, 'level']),
      text: `${nameOf([...at, 'level'])} has no meaning with compress: none; write one of the two`,
    })
  }
  const s3 = sectionOf(remote['s3'])
  if (Object.hasOwn(s3, 'kms_key') && s3['sse'] !== 'aws:kms') {
    found.push({
      ...source.keyAt([...at, 's3', 'kms_key']),
      text: `${nameOf([...at, 's3', 'kms_key'])} has no meaning without sse: aws:kms; write both or none`,
    })
  }
  return found
}

/** In which we make snapshots; others may make those of several sources in one. */
function snapshotFolderOf(snapshots: unknown): string | undefined {
  if (isSection(snapshots) && Object.hasOwn(snapshots, 'existing')) return undefined
  return pathOf(isSection(snapshots) ? snapshots['path'] : snapshots)
}

function pathOf(value: unknown): string | undefined {
  const parsed = typeof value === 'string' ? parseAbsolutePath(value) : undefined
  return parsed && 'value' in parsed ? parsed.value : undefined
}
