// Bundles src/ into dist/, which needs nothing but Node: `npm run build && npm pack` gives a
// package without dependencies. The libraries inside are named, with their licences, in
// dist/THIRD-PARTY-NOTICES; a licence that is not on the list below stops the build.

import { chmodSync, globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { build } from 'esbuild'
import { notices, packagesIn } from './third-party.ts'

const out = 'dist'

// Node that is too old would stop at the first new syntax, with a message about our source.
// The flag as in bin/btrvault.
const entry = `#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
if (Number.parseInt(process.versions.node, 10) < 26) {
  console.error('btrvault: needs Node 26 or newer; this is ' + process.version)
  process.exit(1)
}
setFlagsFromString('--semi-space-growth-factor=1')
await import('./main.js')
`

// Some libraries are CommonJS and call require() for Node's own modules.
const banner = `import { createRequire as btrvaultRequire } from 'node:module'
const require = btrvaultRequire(import.meta.url)`

process.chdir(new URL('..', import.meta.url).pathname)
rmSync(out, { recursive: true, force: true })
const { metafile } = await build({
  entryPoints: entryPoints(),
  outdir: out,
  // Flat, so that new URL('./x-worker.js', import.meta.url) is right in every chunk.
  entryNames: '[name]',
  chunkNames: 'chunk-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node26',
  // The ES build of a library where it has one: esbuild gives a lazily imported CommonJS
  // library only a default export, while Node itself gives it named ones.
  mainFields: ['module', 'main'],
  keepNames: true,
  banner: { js: banner },
  metafile: true,
  logLevel: 'warning',
})
mkdirSync(out, { recursive: true })
writeFileSync(`${out}/btrvault.js`, entry)
chmodSync(`${out}/btrvault.js`, 0o755)

const packages = packagesIn(Object.keys(metafile.inputs))
writeFileSync(`${out}/THIRD-PARTY-NOTICES`, notices(packages))
const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0)
console.log(
  `dist/: ${Object.keys(metafile.outputs).length} files, ${Math.ceil(bytes / 1024)} KiB,` +
    ` ${packages.length} libraries inside`,
)

/** main.ts, and what is started by its file name at run time: the worker threads. */
function entryPoints(): string[] {
  const workers = globSync('src/**/*-worker.ts').sort()
  const names = new Set(workers.map(path => basename(path)))
  if (names.size !== workers.length) throw new Error('two worker files have the same name')
  return ['src/main.ts', ...workers]
}
