/** tools/nodes.mjs: which Nodes the suite runs on, and in which surroundings. */
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

interface Nodes {
  SUPPORTED: number[]
  parseWords(words: string[], installed: number): { majors: number[]; isFresh: boolean; others: string[] }
  nodeOf(major: number): string
  environmentOf(node: string): NodeJS.ProcessEnv
}

const nodes: Nodes = await import(new URL('../../tools/nodes.mjs', import.meta.url).href)

test('without words the suite runs on every supported Node but the installed one', () => {
  expect(nodes.SUPPORTED).toEqual([20, 22, 24])
  expect(nodes.parseWords([], 20)).toEqual({ majors: [22, 24], isFresh: false, others: [] })
  expect(nodes.parseWords([], 26)).toEqual({ majors: [20, 22, 24], isFresh: false, others: [] })
})

test('a number is a Node, --fresh adds a clone, and all else goes to vitest', () => {
  expect(nodes.parseWords(['24', '--fresh', 'test/store', '--bail=1'], 20)).toEqual({
    majors: [24],
    isFresh: true,
    others: ['test/store', '--bail=1'],
  })
})

test('the installed Node is not fetched', () => {
  expect(nodes.nodeOf(Number(process.versions.node.split('.')[0]))).toBe(process.execPath)
})

test('the chosen Node comes first in PATH', () => {
  const { PATH } = nodes.environmentOf(process.execPath)
  expect(PATH?.split(':')[0]).toBe(dirname(process.execPath))
  expect(PATH).toContain(process.env.PATH)
})

test('an executable without headers beside it leaves the headers to the system', () => {
  const { npm_config_nodedir } = nodes.environmentOf(join('/nowhere', 'bin', 'node'))
  expect(npm_config_nodedir).toBe(process.env.npm_config_nodedir)
})
