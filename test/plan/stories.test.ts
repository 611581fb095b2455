// The stories in test/plan/stories/, for people to read and judge: is that what should happen, and
// for that reason? What follows `>` is what the planner decides; UPDATE_GOLDEN=1 writes it anew.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Story } from './story.ts'

const folder = fileURLToPath(new URL('stories/', import.meta.url))
const isUpdating = process.env['UPDATE_GOLDEN'] === '1'

/** The text of a story with what the planner says below each line that asks it. */
function retold(text: string): string {
  const story = new Story()
  const lines: string[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('> ') || line === '>') continue
    lines.push(line)
    if (line === '' || line.startsWith('#')) continue
    story.tell(line)
    lines.push(...story.said.splice(0).map(said => `> ${said}`))
  }
  return lines.join('\n')
}

for (const file of readdirSync(folder)) {
  describe(file.replace('.txt', ''), () => {
    const text = readFileSync(`${folder}${file}`, 'utf8')
    const [head = '', ...stories] = text.split(/^(?=## )/m)
    const updated = stories.map(story => {
      const title = /^## (.*)/.exec(story)?.[1] ?? ''
      const now = retold(story)
      test(title, () => {
        if (!isUpdating) assert.equal(now, story)
      })
      return now
    })
    if (isUpdating) writeFileSync(`${folder}${file}`, [head, ...updated].join(''))
  })
}
