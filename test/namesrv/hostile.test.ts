/** Frames that no honest peer sends: recorded ones with bytes changed, cut, lengthened; a healthy peer notices nothing. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { startNamesrv } from '../../src/namesrv/index.ts'
import { framesOf } from '../remoting/vectors.ts'
import { ArrayLog } from './helpers.ts'
import { Peer, textOf } from './peer.ts'

const recorded = ['wire-json', 'wire-rocketmq'].flatMap((tree) =>
  ['register', 'admin'].flatMap((name) => framesOf(`${tree}/${name}`).filter((frame) => frame.kind !== 'response')),
)
const mutation = fc.record({
  frame: fc.nat({ max: recorded.length - 1 }),
  /** Bytes behind the length: it stays, so that the frame is taken for whole. */
  changes: fc.array(fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }) }), { maxLength: 8 }),
  cut: fc.option(fc.nat(), { freq: 4 }),
})

test('mutated frames cost at most their own connection', { timeout: 60_000 }, async () => {
  const log = new ArrayLog()
  const namesrv = await startNamesrv({ port: 0, host: '127.0.0.1', log })
  const healthy = await Peer.to(namesrv.port)
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 5 }), async (mutations) => {
      const hostile = await Peer.to(namesrv.port)
      for (const { frame, changes, cut } of mutations) {
        const bytes = Buffer.from(recorded[frame].bytes)
        for (const { at, byte } of changes) bytes[4 + (at % (bytes.length - 4))] = byte
        hostile.write(cut === null ? bytes : bytes.subarray(0, cut % bytes.length))
      }
      expect((await healthy.ask(106)).code).toBe(0)
      await hostile.end()
    }),
    { numRuns: 300 },
  )
  expect(
    (
      await healthy.ask(103, {
        brokerName: 'a',
        brokerAddr: '10.0.0.1:1',
        clusterName: 'C',
        haServerAddr: '10.0.0.1:2',
        brokerId: '0',
      })
    ).code,
  ).toBe(0)
  expect(textOf(await healthy.ask(304))).toContain('"a"')
  // An error that is not of the peer's making is logged with its stack, as error.
  expect(log.matching(/^error request/)).toEqual([])
  await healthy.end()
  await namesrv.close()
})

test.each([
  ['a length of 2 GiB', Buffer.from([0x7f, 0xff, 0xff, 0xff])],
  ['a length of 16 MiB and one', Buffer.from([0x01, 0x00, 0x00, 0x01, 0, 0, 0, 0])],
  ['a negative length', Buffer.from([0xff, 0xff, 0xff, 0xff])],
  ['an unknown header form', Buffer.from([0, 0, 0, 4, 7, 0, 0, 0])],
  ['a header longer than its frame', Buffer.from([0, 0, 0, 4, 0, 0, 1, 0])],
])('%s closes the connection with one line', async (_, bytes) => {
  const log = new ArrayLog()
  const namesrv = await startNamesrv({ port: 0, host: '127.0.0.1', log })
  const hostile = await Peer.to(namesrv.port)
  hostile.write(bytes)
  await hostile.whenClosed()
  expect(log.matching(/^(warn|error)/)).toHaveLength(1)
  await namesrv.close()
})
