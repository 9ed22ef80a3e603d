/** Tables fit terminals of 60, 80 and 120 columns, with names as long as RocketMQ takes them, and letters of two columns. */
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import { sizeOf, table } from '../../../src/cli/table.ts'
import { consumer, rig } from './rig.ts'

const it = rig({ config: { traceTopicEnable: true } })
const LONG = `a-topic-with-a-name-${'x'.repeat(80)}`
const GROUP = `a-group-with-a-name-${'y'.repeat(80)}`
let id = ''

test('a cluster with long names', async () => {
  await it.ok(`topic create ${LONG} -q 3`)
  await it.ok('topic create Short -q 2')
  await it.ok(`group create ${GROUP}`)
  const sent = await it.json(
    `message send ${LONG} -q 0 --body "${'你好，世界 '.repeat(20)}" --key "${'k'.repeat(60)}" --tag "${'t'.repeat(40)}"`,
  )
  id = sent.offsetMsgId
  await it.commit(GROUP, LONG, 0, 0)
  await consumer(it, GROUP, LONG, [0])
})

const TABLES = [
  ...['topic list --all', `topic describe ${LONG}`, `topic units ${LONG} -q 0`, `topic allocate ${LONG} ${LONG} b c`],
  ...[
    'group list',
    `group describe ${GROUP}`,
    'broker list',
    'broker stats',
    'broker producers',
    'broker probe broker-a -c 2',
  ],
  ...[`message find ${LONG} -q 0 --offset 0`, `offset reset ${GROUP} -t ${LONG} --to latest --dry-run`],
  ...['cluster list', 'cluster probe -c 1', 'namesrv kv list', 'namesrv tables', `topic alter ${LONG} -q 4 --dry-run`],
  ...[`topic shrink ${LONG} -q 1 --dry-run`, 'top --once'],
]

describe.each([60, 80, 120])('%i columns', (columns) => {
  test.each(TABLES)('%s', async (line) => {
    const ran = await it.run(line, (world) => {
      world.terminal = { columns, rows: 24, ask: undefined }
    })
    expect(ran.status, ran.error).toBe(0)
    // Sentences may be longer: a terminal breaks them.
    const isSentence = (text: string) => !/ {2}/.test(text.trim())
    const over = stripVTControlCharacters(ran.out)
      .split('\n')
      .filter((text) => sizeOf(text) > columns && !isSentence(text))
    expect(over).toEqual([])
  })
})

test('what fits no line becomes a block a row, and nothing of it is lost but the middle of long texts', () => {
  const heads = ['cluster', 'broker', 'address', 'messages', 'bytes'].map((head) => ({ head }))
  const rows = [
    ['DefaultCluster', 'broker-a', '10.0.0.1:10911', 1234, 99],
    ['DefaultCluster', 'broker-b', '你好'.repeat(20), 5, 1],
  ] as const
  const text = table(heads, rows, 40)
  expect(text.split('\n').slice(0, 5)).toEqual([
    '  cluster   DefaultCluster',
    '  broker    broker-a',
    '  address   10.0.0.1:10911',
    '  messages  1,234',
    '  bytes     99',
  ])
  for (const line of text.split('\n')) expect(sizeOf(line)).toBeLessThanOrEqual(40)
  expect(id).not.toBe('')
})
