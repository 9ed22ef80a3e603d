import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createLog, readable } from '../../src/cli/logging.ts'

test('the log in a file is JSON lines, in a folder that is made when it is missing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-log-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const logFile = join(folder, 'logs', 'broker.log')
  const log = createLog({ logLevel: 'warn', logFile }, true)
  log.info('not written')
  log.warn('disk is filling', { percent: 91, path: '/data' })
  log.error('disk is full')
  const lines = readFileSync(logFile, 'utf8').trim().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { level: 40, time: expect.any(String), percent: 91, path: '/data', msg: 'disk is filling' },
    { level: 50, time: expect.any(String), msg: 'disk is full' },
  ])
})

test('the log on a terminal is one short line each', () => {
  let text = ''
  const stream = readable((line) => {
    text += line
  })
  stream.write(
    '{"level":40,"time":"2026-01-02T03:04:05.678Z","path":"/data","what":"two words","n":3,"msg":"disk is filling"}\n',
  )
  expect(text).toBe('03:04:05.678 WARN  disk is filling path=/data what="two words" n=3\n')
})
