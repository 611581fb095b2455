// Exit status 0: node_modules holds what package-lock.json names, and this Node is new enough.
// Plain JavaScript, since an older Node runs it before ours is installed.

import { existsSync, readFileSync } from 'node:fs'

process.exitCode = isCurrent() ? 0 : 1

function isCurrent() {
  if (Number.parseInt(process.versions.node, 10) < 26) return false
  // npm writes the second file last, so an install that was cut off has none.
  const wanted = packagesOf('package-lock.json')
  const present = packagesOf('node_modules/.package-lock.json')
  if (wanted === undefined || present === undefined) return false
  const places = Object.keys(wanted).filter(place => place !== '')
  return (
    places.every(place => isSatisfied(place, wanted[place], present[place])) &&
    Object.keys(present).every(place => place in wanted)
  )
}

function isSatisfied(place, wanted, present) {
  if (present === undefined) return wanted.optional === true || wanted.devOptional === true
  return (
    present.version === wanted.version &&
    (wanted.integrity === undefined || present.integrity === wanted.integrity) &&
    existsSync(place)
  )
}

function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages
  } catch {
    return undefined
  }
}
