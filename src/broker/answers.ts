/** Answers that are refusals of sends and pulls, and the part of message ids that names this broker. */
import { FLAG_ANSWER, OWN_LANGUAGE, OWN_VERSION, type SerializeType } from '../remoting/command.ts'
import type { PullRequest } from './pull/pull-request.ts'
import type { Host } from './send/record-encoder.ts'

/** A send that is not stored. Its answer carries what every answer to a send does. */
export function refusalCommand(opaque: number, serialize: SerializeType, code: number, remark: string, region: string) {
  return {
    code,
    language: OWN_LANGUAGE,
    version: OWN_VERSION,
    opaque,
    flag: FLAG_ANSWER,
    remark,
    ext: { MSG_REGION: region, TRACE_ON: 'true' },
    body: undefined,
    serialize,
  }
}

export function refusePull(
  { connection, isOneway, opaque, serialize }: PullRequest,
  code: number,
  remark: string,
): void {
  if (isOneway) return
  connection.send({
    code,
    language: OWN_LANGUAGE,
    version: OWN_VERSION,
    opaque,
    flag: FLAG_ANSWER,
    remark,
    ext: undefined,
    body: undefined,
    serialize,
  })
}

/** Upper-case hex of ip and port, the front part of every offsetMsgId. */
export function hexOf(host: Host): Buffer {
  const bytes = Buffer.alloc(host.address.length + 4)
  bytes.set(host.address)
  bytes.writeInt32BE(host.port, host.address.length)
  return Buffer.from(bytes.toString('hex').toUpperCase())
}
