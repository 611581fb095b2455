import assert from 'node:assert/strict'
import { test } from 'node:test'
import { didYouMean, nearest } from '../../src/config/nearest.ts'

test('nearest() finds the word that was meant: swapped, missing, wrong and capital letters', () => {
  const words = ['backup', 'restore', 'verify', 'list', 'init']
  assert.equal(nearest('bakcup', words), 'backup')
  assert.equal(nearest('restor', words), 'restore')
  assert.equal(nearest('verifi', words), 'verify')
  assert.equal(nearest('LIST', words), 'list')
  assert.equal(nearest('lsit', words), 'list')
})

test('nearest() guesses nothing when nothing is near', () => {
  assert.equal(nearest('colour', ['backup', 'restore', 'verify']), undefined)
  assert.equal(nearest('x', []), undefined)
  assert.equal(didYouMean('colour', ['backup']), '')
  assert.equal(didYouMean('path-style', ['path_style']), ' (did you mean path_style?)')
})
