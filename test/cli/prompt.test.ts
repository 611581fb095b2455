import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Failure } from '../../src/base/failure.ts'
import { askConsent, askSecret } from '../../src/cli/prompt.ts'

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

test('askSecret() gives what was typed, and shows none of it (L10)', async () => {
  const input = new PassThrough()
  const output = new PassThrough()
  const signal = new AbortController().signal
  let shown = ''
  output.setEncoding('utf8').on('data', text => (shown += text))
  const asked = askSecret('passphrase', { input, output, isInteractive: true, signal })
  input.write('hunter2\n')
  assert.equal(await asked, 'hunter2')
  await setImmediate()
  assert.equal(shown, 'passphrase: \n')
  await assert.rejects(askSecret('passphrase', { input, output, isInteractive: false, signal }), {
    code: 'refused',
  })
})
