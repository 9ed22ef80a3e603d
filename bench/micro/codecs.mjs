/**
 * Question: what does the one-pass scanner of a hot header save over the generic codec, and the written answer over
 * the encoded one? Both serializations; frames as a Java client sends them, 350 bytes of JSON header.
 */

import {
  PULL_ANSWER_ROOM,
  PullFields,
  SendFields,
  scanPull,
  scanSend,
  sendAnswerRoom,
  writePullAnswerHeader,
  writeSendAnswer,
} from '../../dist/remoting/hot/index.js'
import { decodeCommand, decodeHeader, encodeCommand } from '../../dist/remoting/index.js'
import { PULL_MESSAGE, SEND_MESSAGE_V2 } from '../../dist/remoting/schemas/index.js'
import { OPAQUE_MIN, pullFrame, sendFrame } from '../load/frames.mjs'

const OPS = 200
const FORMATS = ['JSON', 'ROCKETMQ']
const REGION = 'DefaultRegion'
const HOST_HEX = Buffer.from('7F00000100002A9F')
const BODY = Buffer.alloc(1024, 'a')

export const codecs = {
  name: 'codecs',
  unit: 'header',
  make() {
    return { rows: FORMATS.flatMap((format, serialize) => rowsOf(format, serialize)), close() {} }
  },
}

function rowsOf(format, serialize) {
  const send = frame(
    sendFrame({ topic: 'BenchTopic', queueId: 3, body: BODY, unique: 'C0A80001'.padEnd(32, '5') }),
    serialize,
  )
  const pull = frame(
    pullFrame({ topic: 'BenchTopic', queueId: 3, offset: 123_456, count: 32, opaque: OPAQUE_MIN }),
    serialize,
  )
  const sendFields = new SendFields()
  const pullFields = new PullFields()
  const out = Buffer.alloc(4096)
  const asked = { opaque: OPAQUE_MIN, serialize }
  const answer = {
    opaque: OPAQUE_MIN,
    serialize,
    suggestWhichBrokerId: 0,
    nextBeginOffset: 123_488,
    minOffset: 0,
    maxOffset: 200_000,
  }
  const generic = {
    code: 0,
    language: 'JAVA',
    version: 409,
    opaque: OPAQUE_MIN,
    flag: 1,
    remark: undefined,
    ext: {
      queueId: '3',
      TRACE_ON: 'true',
      MSG_REGION: REGION,
      msgId: `${HOST_HEX}00000000075BCD15`,
      queueOffset: '123456',
    },
    body: undefined,
    serialize,
  }
  return [
    row(`scanSend ${format}`, () => must(scanSend(send, 0, send.length, sendFields))),
    row(`decode send ${format}`, () => decodeHeader(SEND_MESSAGE_V2, decodeCommand(send, 0, send.length).ext)),
    row(`scanPull ${format}`, () => must(scanPull(pull, 0, pull.length, pullFields))),
    row(`decode pull ${format}`, () => decodeHeader(PULL_MESSAGE, decodeCommand(pull, 0, pull.length).ext)),
    row(`writeSendAnswer ${format}`, () => {
      must(sendAnswerRoom(1, HOST_HEX.length, REGION) <= out.length)
      return writeSendAnswer(out, 0, asked, 0, HOST_HEX, 3, 123_456_789, 123_456, REGION, true)
    }),
    row(`encode send answer ${format}`, () => encodeCommand(generic)),
    row(`writePullAnswerHeader ${format}`, () => {
      must(PULL_ANSWER_ROOM <= out.length)
      return writePullAnswerHeader(out, 0, answer, 0, 'FOUND', 32_768)
    }),
  ]
}

function row(name, once) {
  return {
    name,
    ops: OPS,
    run() {
      for (let i = 0; i < OPS; i++) once()
    },
  }
}

function frame(json, serialize) {
  return serialize === 0 ? json : encodeCommand({ ...decodeCommand(json, 0, json.length), serialize })
}

function must(condition) {
  if (!condition) throw new Error('the hot path declined the frame')
}
