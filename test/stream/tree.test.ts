import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compareTrees } from '../../src/stream/compare.ts'
import { Tree, TreeNode } from '../../src/stream/tree.ts'

describe('Tree.clone()', () => {
  it('makes an equal tree in which nothing of the first changes', () => {
    const tree = new Tree()
    const folder = new TreeNode('folder', 0o700)
    const file = new TreeNode('file', 0o600)
    folder.links = 1
    file.links = 2
    file.size = 17
    file.setXattr('user.a', '1')
    folder.children = new Map([['one', file]])
    tree.root.children = new Map([
      ['folder', folder],
      ['two', file],
    ])
    const copy = tree.clone()
    assert.deepEqual([...compareTrees(tree, copy)], [])
    assert.equal(copy.find('folder/one'), copy.find('two'))
    assert.notEqual(copy.find('two'), file)
    copy.find('folder')?.children?.delete('one')
    ;(copy.find('two') as TreeNode).size = 18
    ;(copy.find('two') as TreeNode).setXattr('user.a', undefined)
    assert.equal(tree.find('folder/one'), file)
    assert.equal(file.size, 17)
    assert.equal(file.xattr('user.a'), '1')
  })
})
