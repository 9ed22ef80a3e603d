/**
 * What real brokers, slaves and clients said to a RocketMQ 4.9.8 NameServer, said again to ours, in the order of the
 * recordings' clocks; every answer is compared with the recorded one.
 */
import { expect, test } from 'vitest'
import { startNamesrv } from '../../src/namesrv/index.ts'
import type { RemotingCommand } from '../../src/remoting/command.ts'
import { decodeCommand } from '../../src/remoting/frame.ts'
import { framesOf, type RecordedFrame, SCENARIOS } from '../remoting/vectors.ts'
import { Peer, textOf } from './peer.ts'

interface Exchange {
  scenario: string
  connection: string
  /** Milliseconds since 1970, to within the time that a frame took to arrive. */
  at: number
  request: RecordedFrame
  answer: RecordedFrame | undefined
}
type LinkedFrame = RecordedFrame & { link: string; conn: number; dir: string; ms: number }

/** A frame tells when it was made at the latest by a time that its sender wrote into it. */
function writtenAt({ header, kind, bytes, bodyOffset }: LinkedFrame): number {
  if (kind === 'response') return 0
  const ext = header.extFields ?? {}
  if (header.code === 310) return Number(ext.g)
  if (header.code === 10) return Number(ext.bornTimestamp)
  if (header.code !== 103) return 0
  return JSON.parse(bytes.toString('utf8', bodyOffset)).topicConfigSerializeWrapper.dataVersion.timestamp
}

function exchangesOf(tree: string): Exchange[] {
  const all: Exchange[] = []
  for (const scenario of SCENARIOS.filter((name) => name.startsWith(`${tree}/`))) {
    const frames = framesOf(scenario) as LinkedFrame[]
    const start = Math.max(...frames.map((frame) => writtenAt(frame) - frame.ms))
    const ours = frames.filter((frame) => frame.link.endsWith('-namesrv'))
    for (const request of ours.filter((frame) => frame.dir === 'c2s')) {
      const same = (it: LinkedFrame) =>
        it.conn === request.conn && it.link === request.link && it.opaque === request.opaque
      const answer = ours.find((it) => it.dir === 's2c' && same(it))
      const connection = `${scenario} ${request.link} ${request.conn}`
      all.push({ scenario, connection, at: start + request.ms, request, answer })
    }
  }
  return all.sort((a, b) => a.at - b.at)
}

/** Integer keys stand bare in 106; lists of topics come in a hash map's order. */
function comparable(text: string): unknown {
  if (text === '') return undefined
  const value = JSON.parse(text.replace(/([{,])(\d+):/g, '$1"$2":'))
  if (Array.isArray(value.topicList)) value.topicList.sort()
  return value
}

/** Ours says behind RocketMQ's words how many brokers it knows. */
const WHO_IS_HERE = /\n.* registered with this NameServer.*$/

function fieldsOf({ code, remark, ext, body }: RemotingCommand) {
  return {
    code,
    remark: remark?.replace(WHO_IS_HERE, ''),
    ext: ext ?? {},
    body: comparable(Buffer.from(body ?? []).toString()),
  }
}

test.each(['wire-json', 'wire-rocketmq'])(
  '%s: every request of the recordings is answered as RocketMQ 4.9.8 did',
  async (tree) => {
    const namesrv = await startNamesrv({ port: 0, host: '127.0.0.1' })
    const peers = new Map<string, Peer>()
    let answered = 0
    try {
      for (const { scenario, connection, request, answer } of exchangesOf(tree)) {
        const peer = peers.get(connection) ?? (await Peer.to(namesrv.port))
        peers.set(connection, peer)
        if (answer === undefined) {
          peer.write(request.bytes)
          await peer.ask(106) // another connection may be read first: wait until this one was
          continue
        }
        const got = await peer.exchange(request.bytes, request.opaque)
        const expected = decodeCommand(answer.bytes)
        const where = `${scenario} frame ${request.n}, code ${request.code}`
        expect(fieldsOf(got), where).toEqual(fieldsOf(expected))
        expect([got.flag, got.serialize, got.version], where).toEqual([1, expected.serialize, 409])
        if (request.code === 105) expect(textOf(got), where).toBe(textOf(expected))
        answered += 1
      }
      expect(answered).toBeGreaterThan(80)
    } finally {
      for (const peer of peers.values()) await peer.end()
      await namesrv.close()
    }
  },
)
