import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { Failure } from '../../src/base/failure.ts'
import { askConsent } from '../../src/cli/prompt.ts'

function ask(controller = new AbortController()) {
  const input = new PassThrough()
  const output = new PassThrough()
  const answered = askConsent('restore home', 'Restore home?', {
    input,
    output,
    isInteractive: true,
    yes: false,
    signal: controller.signal,
  })
  return { input, output, answered, controller }
}

test('askConsent() takes y and yes, and nothing else, for a yes', async () => {
  for (const word of ['y', 'yes', ' YES ']) {
    const { input, answered } = ask()
    input.write(`${word}\n`)
    await answered
  }
  for (const word of ['', 'n', 'yep', 'no']) {
    const { input, answered } = ask()
    input.write(`${word}\n`)
    await assert.rejects(answered, { code: 'refused' })
  }
})

test('askConsent() takes the end of the input for a no', async () => {
  const { input, answered } = ask()
  input.end()
  await assert.rejects(answered, { code: 'refused', exitStatus: 4 })
})

test('askConsent() ends when the run is interrupted', async () => {
  const { answered, controller } = ask()
  controller.abort(new Failure('interrupted', 'interrupted by SIGINT'))
  await assert.rejects(answered, { code: 'interrupted' })
})
