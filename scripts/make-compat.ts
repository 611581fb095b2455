// Writes test/compat/v1 with this version of the program, once: what is there is what a user of that
// version has, and stays as it is.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { makeV1 } from '../test/compat/make-v1.ts'

const folder = fileURLToPath(new URL('../test/compat/v1', import.meta.url))

if (existsSync(folder)) {
  console.error('make-compat: test/compat/v1 is there; nothing was done')
  process.exitCode = 1
} else {
  await makeV1(folder)
}
