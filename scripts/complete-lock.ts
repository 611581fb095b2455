// Keeps package-lock.json whole when it was made against a registry that offers only some
// platforms: npm leaves the optional packages that it could not see out of the lock, and then
// refuses its own lock (`npm ci`: "Missing … from lock file"). Here each gets an entry that says
// its version and platform, which is all that npm needs in order not to install it elsewhere.
// Run it after `npm install`: npm run lock.

import { readFileSync, writeFileSync } from 'node:fs'

interface LockEntry {
  readonly version?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

interface Lock {
  packages: Record<string, LockEntry>
}

const systems = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]
const processors = [
  'arm64',
  'arm',
  'ia32',
  'loong64',
  'mips64el',
  'ppc64',
  'riscv64',
  's390x',
  'x64',
]

const path = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(path, 'utf8')) as Lock
const added = missingPlatformPackages(lock)
if (added.size > 0) {
  const all = [...Object.entries(lock.packages), ...added].sort(([a], [b]) => (a < b ? -1 : 1))
  lock.packages = Object.fromEntries(all)
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
}
console.log(`package-lock.json: ${added.size} packages of other platforms added`)

function missingPlatformPackages(from: Lock): Map<string, LockEntry> {
  const missing = new Map<string, LockEntry>()
  for (const entry of Object.values(from.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const place = `node_modules/${name}`
      if (from.packages[place] !== undefined) continue
      missing.set(place, {
        version,
        ...platformOf(name),
        ...(entry.dev ? { dev: true } : {}),
        optional: true,
      })
    }
  }
  return missing
}

/** Read from the name, as `binding-linux-arm-musleabihf` or `cli-win32-x64`: npm's own words. */
function platformOf(name: string): Pick<LockEntry, 'os' | 'cpu' | 'libc'> {
  const words = name.split(/[/-]/)
  const os = systems.find(system => words.includes(system))
  const cpu = processors.find(processor => words.includes(processor))
  if (os === undefined || cpu === undefined) throw new Error(`no platform in the name ${name}`)
  const musl = words.some(word => word.startsWith('musl'))
  return { os: [os], cpu: [cpu], ...(musl ? { libc: ['musl'] } : {}) }
}
