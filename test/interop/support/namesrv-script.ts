/**
 * A conversation that asks a NameServer for everything it can do, good and bad, in an order in which each step shows.
 * Its brokers, slaves and clients are names of connections.
 */
import { crc32, deflateSync } from 'node:zlib'
import type { Ask } from './namesrv-talk.ts'

export interface Step {
  name: string
  /** The connection that asks, or that hangs up. */
  by: string
  ask?: Ask
  hangsUp?: boolean
}

export const A = '10.0.0.1:10911'
export const A_SLAVE = '10.0.0.2:10911'

export function header(given: Record<string, string> = {}): Record<string, string> {
  const own = { brokerName: 'a', brokerAddr: A, clusterName: 'C', haServerAddr: '10.0.0.1:10912', brokerId: '0' }
  return { ...own, ...given }
}

export interface TopicLike {
  topicName: string
  perm: number
  topicSysFlag: number
}
export const topicOf = (topicName: string, perm = 6, topicSysFlag = 0): TopicLike => ({ topicName, perm, topicSysFlag })

export function wrapperOf(topics: (string | TopicLike)[], counter = 1) {
  const configs = topics.map((topic) => (typeof topic === 'string' ? topicOf(topic) : topic))
  const rest = { order: false, readQueueNums: 4, writeQueueNums: 4, topicFilterType: 'SINGLE_TAG' }
  return {
    dataVersion: { counter, timestamp: 1000 },
    topicConfigTable: Object.fromEntries(configs.map((config) => [config.topicName, { ...rest, ...config }])),
  }
}

export function registerAsk(topics: (string | TopicLike)[], given: Record<string, string> = {}, counter = 1): Ask {
  const body = JSON.stringify({ filterServerList: [], topicConfigSerializeWrapper: wrapperOf(topics, counter) })
  return { code: 103, ext: header(given), body }
}

function compressedBody(topics: string[], counter: number): Buffer {
  const int = (value: number) => Buffer.from([value >> 24, value >> 16, value >> 8, value])
  const text = (value: string) => Buffer.concat([int(Buffer.byteLength(value)), Buffer.from(value)])
  const version = text(JSON.stringify({ counter, timestamp: 1000 }))
  return deflateSync(Buffer.concat([version, int(topics.length), ...topics.map(text), text('[]')]), { level: 9 })
}

const slave = { brokerId: '1', brokerAddr: A_SLAVE, haServerAddr: '10.0.0.2:10912' }
const b = { brokerName: 'b', brokerAddr: '10.0.1.1:10911', haServerAddr: '10.0.1.1:10912' }
const route = (topic: string, version?: number): Ask => ({ code: 105, ext: { topic }, ...(version && { version }) })
const kv = (code: number, ext: Record<string, string>): Ask => ({ code, ext })
const FLAGS = [topicOf('Unit', 6, 1), topicOf('Sub', 6, 2), topicOf('Both', 7, 3)]
const compressed = compressedBody(['T 4 4 6 SINGLE_TAG', 'Packed 3 2 4 MULTI_TAG'], 6)
const queueDatas = (...brokerNames: string[]) =>
  JSON.stringify({
    queueDatas: brokerNames.map((brokerName) => ({ brokerName, readQueueNums: 1, writeQueueNums: 2, perm: 6 })),
  })

let step = 0
const ask = (by: string, name: string, asked: Ask): Step => ({ name: `${++step} ${name}`, by, ask: asked })
const look = (what = 'look'): Step[] => [
  ask('client', `${what}: cluster`, { code: 106 }),
  ask('client', `${what}: route T`, route('T')),
  ask('client', `${what}: route U`, route('U')),
  ask('client', `${what}: topics`, { code: 206 }),
]

export const SCRIPT: Step[] = [
  ...look('empty'),
  ask('client', 'system topics of nothing', { code: 304 }),
  ask('client', 'unit topics of nothing', { code: 311 }),
  ask('a', 'register', registerAsk(['T', 'U', ...FLAGS], {}, 2)),
  ...look('registered'),
  ask('client', 'route, old client', route('Both', 399)),
  ask('client', 'route, 4.9.4', route('Both', 401)),
  ask('client', 'route, standard JSON', {
    code: 105,
    ext: { topic: 'Both', acceptStandardJsonOnly: 'true' },
    version: 121,
  }),
  ask('client', 'unit topics', { code: 311 }),
  ask('client', 'unit-sub topics', { code: 312 }),
  ask('client', 'unit-sub topics without unit', { code: 313 }),
  ask('client', 'topics of the cluster', { code: 224, ext: { cluster: 'C' } }),
  ask('client', 'topics of an unknown cluster', { code: 224, ext: { cluster: 'X' } }),
  ask('client', 'system topics', { code: 304 }),
  ask('a', 'the same version with other topics', registerAsk([topicOf('T', 4), 'Late'], {}, 2)),
  ask('client', 'route Late', route('Late')),
  ask('client', 'delete Late', { code: 216, ext: { topic: 'Late' } }),
  ask('slave', 'register slave', registerAsk(['T', 'OnSlave'], slave, 7)),
  ...look('slave'),
  ask('client', 'route OnSlave', route('OnSlave')),
  ask('client', 'member group', { code: 901, ext: { clusterName: 'C', brokerName: 'a' } }),
  ask('client', 'member group of nobody', { code: 901, ext: { clusterName: 'C', brokerName: 'x' } }),
  ask('a', 'heartbeat', { code: 904, ext: header() }),
  ask('a', 'heartbeat of nobody', { code: 904, ext: header({ brokerAddr: '1.1.1.1:1' }) }),
  ask('a', 'the same version?', { code: 322, ext: header(), body: '{"counter":2,"timestamp":1000}' }),
  ask('a', 'another version?', { code: 322, ext: header(), body: '{"counter":3,"timestamp":1000}' }),
  ask('a', 'version of nobody?', {
    code: 322,
    ext: header({ brokerAddr: '1.1.1.1:1' }),
    body: '{"counter":3,"timestamp":1}',
  }),
  ask('client', 'wipe', { code: 205, ext: { brokerName: 'a' } }),
  ask('client', 'wipe nobody', { code: 205, ext: { brokerName: 'x' } }),
  ask('client', 'wiped: route Both', route('Both')),
  ask('a', 'register after wipe, same version', registerAsk(['T', 'U'], {}, 2)),
  ...look('wiped'),
  ask('client', 'add', { code: 327, ext: { brokerName: 'a' } }),
  ask('client', 'add nobody', { code: 327, ext: { brokerName: 'x' } }),
  ask('client', 'added: route Both', route('Both')),
  ask('client', 'delete U', { code: 216, ext: { topic: 'U' } }),
  ask('client', 'deleted: route U', route('U')),
  ask('client', 'delete what is not there', { code: 216, ext: { topic: 'Nowhere' } }),
  ask('a', 'register a next version', registerAsk(['T', 'U'], {}, 3)),
  ...look('next version'),
  ask('client', 'delete U from an unknown cluster', { code: 216, ext: { topic: 'U', clusterName: 'X' } }),
  ask('client', 'delete U from C', { code: 216, ext: { topic: 'U', clusterName: 'C' } }),
  ...look('deleted'),
  ask('a', 'register it again', registerAsk(['T', 'U'], {}, 4)),
  ...look('again'),
  ask('client', 'register topic', { code: 217, ext: { topic: 'R' }, body: queueDatas('a') }),
  ask('client', 'route R', route('R')),
  ask('client', 'register topic on somebody unknown', { code: 217, ext: { topic: 'S' }, body: queueDatas('a', 'x') }),
  ask('client', 'route S', route('S')),
  ask('client', 'delete R', { code: 216, ext: { topic: 'R' } }),
  ask('client', 'put KV', kv(100, { namespace: 'N', key: 'k', value: 'v' })),
  ask('client', 'put KV without a key', kv(100, { namespace: 'N', value: 'v' })),
  ask('client', 'put KV without a value', kv(100, { namespace: 'N', key: 'null' })),
  ask('client', 'get KV', kv(101, { namespace: 'N', key: 'k' })),
  ask('client', 'get KV, no such key', kv(101, { namespace: 'N', key: 'x' })),
  ask('client', 'get KV, no such namespace', kv(101, { namespace: 'X', key: 'k' })),
  ask('client', 'list KV, no such namespace', kv(219, { namespace: 'X' })),
  ask('client', 'delete KV', kv(102, { namespace: 'N', key: 'k' })),
  ask('client', 'delete KV, null', kv(102, { namespace: 'N', key: 'null' })),
  ask('client', 'delete KV, no such key', kv(102, { namespace: 'N', key: 'x' })),
  ask('client', 'delete KV, no such namespace', kv(102, { namespace: 'X', key: 'x' })),
  ask('client', 'list KV, emptied', kv(219, { namespace: 'N' })),
  ask('client', 'order configuration', kv(100, { namespace: 'ORDER_TOPIC_CONFIG', key: 'T', value: 'a:4' })),
  ask('a', 'register: order topics in the answer', registerAsk(['T', 'U'], {}, 4)),
  ask('slave', 'register slave: order topics and master', registerAsk(['T', 'U'], slave, 3)),
  ask('client', 'route T shows no order', route('T')),
  ask('a', 'wrong checksum', { ...registerAsk(['T', 'U'], { bodyCrc32: '1' }, 5) }),
  ask('a', 'right checksum, compressed', {
    code: 103,
    ext: header({ compressed: 'true', bodyCrc32: String(crc32(compressed) & 0x7fffffff) }),
    body: compressed,
  }),
  ask('client', 'route Packed', route('Packed')),
  ask('a', 'a body that is none', { code: 103, ext: header(), body: '{"x' }),
  ask('a', 'no body', { code: 103, ext: header() }),
  ask('a', 'no broker name', { code: 103, ext: { brokerAddr: A } }),
  ask('old', 'a bare wrapper', {
    code: 103,
    ext: header({ brokerName: 'old', brokerAddr: '10.0.5.1:10911' }),
    body: JSON.stringify(wrapperOf(['O1', 'O2'])),
    version: 36,
  }),
  ask('client', 'route O1', route('O1')),
  { name: 'the old one hangs up', by: 'old', hangsUp: true },
  ask('b', 'a second broker', registerAsk(['T', 'V', topicOf('None', 0), topicOf('Write', 2)], b)),
  ...look('two brokers'),
  ask('client', 'route None', route('None')),
  ask('client', 'route Write', route('Write')),
  ask('newcomer', 'somebody takes its name and id', registerAsk(['T', 'W'], { ...b, brokerAddr: '10.0.9.9:10911' })),
  ...look('taken over'),
  { name: 'the former one hangs up', by: 'b', hangsUp: true },
  ...look('the former one is gone'),
  ask('newcomer', 'unregister', { code: 104, ext: header({ ...b, brokerAddr: '10.0.9.9:10911' }) }),
  ...look('unregistered'),
  ask('client', 'topics of the cluster, after', { code: 224, ext: { cluster: 'C' } }),
  { name: 'the master hangs up', by: 'a', hangsUp: true },
  ...look('master gone'),
  ask('slave', 'the slave becomes master', registerAsk(['T', 'U'], { ...slave, brokerId: '0' }, 8)),
  ...look('promoted'),
  { name: 'everybody is gone', by: 'slave', hangsUp: true },
  ...look('nobody'),
  ask('client', 'a code of brokers', { code: 351, ext: {} }),
]
