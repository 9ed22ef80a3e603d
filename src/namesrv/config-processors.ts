/** The KV configuration (100, 101, 102, 219) and the NameServer's own (318, 319). */
import { decodeText } from '../config/index.ts'
import { describe, RemotingError } from '../errors.ts'
import { answerTo, type RemotingCommand } from '../remoting/command.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import { decodeHeader, encodeHeader } from '../remoting/schema.ts'
import {
  DELETE_KV_CONFIG,
  GET_KV_CONFIG,
  GET_KV_CONFIG_ANSWER,
  GET_KVLIST_BY_NAMESPACE,
  PUT_KV_CONFIG,
} from '../remoting/schemas/namesrv.ts'
import { checkKey, wrongEntry } from './names.ts'
import { type NamesrvProcessor, type NamesrvState, withText } from './processor.ts'
import { kvTableText } from './texts.ts'

const CODES = { done: RESPONSE.SUCCESS, refused: RESPONSE.NO_PERMISSION, failed: RESPONSE.SYSTEM_ERROR } as const

export function configProcessors({ kv, configuration, log }: NamesrvState): [number, NamesrvProcessor][] {
  return [
    [REQUEST.PUT_KV_CONFIG, put],
    [REQUEST.GET_KV_CONFIG, get],
    [REQUEST.DELETE_KV_CONFIG, remove],
    [REQUEST.GET_KVLIST_BY_NAMESPACE, list],
    [REQUEST.UPDATE_NAMESRV_CONFIG, update],
    [REQUEST.GET_NAMESRV_CONFIG, (request) => withText(request, configuration.text())],
  ]

  async function put(request: RemotingCommand): Promise<RemotingCommand> {
    const header = decodeHeader(PUT_KV_CONFIG, request.ext)
    const namespace = checkKey('namespace', header.namespace)
    const key = checkKey('key', header.key)
    const wrong = wrongEntry(namespace, key, header.value)
    if (wrong !== undefined) throw new RemotingError('BAD_VALUE', { what: `KV entry ${key} refused: ${wrong}` })
    return saved(request, kv.put(namespace, key, header.value))
  }

  function get(request: RemotingCommand): RemotingCommand {
    const { namespace, key } = decodeHeader(GET_KV_CONFIG, request.ext)
    const value = kv.get(namespace, key)
    if (value === undefined) {
      return answerTo(request, RESPONSE.QUERY_NOT_FOUND, `No config item, Namespace: ${namespace} Key: ${key}`)
    }
    const answer = answerTo(request, RESPONSE.SUCCESS)
    answer.ext = encodeHeader(GET_KV_CONFIG_ANSWER, { value })
    return answer
  }

  async function remove(request: RemotingCommand): Promise<RemotingCommand> {
    const { namespace, key } = decodeHeader(DELETE_KV_CONFIG, request.ext)
    return saved(request, kv.delete(namespace, key))
  }

  function list(request: RemotingCommand): RemotingCommand {
    const { namespace } = decodeHeader(GET_KVLIST_BY_NAMESPACE, request.ext)
    const entries = kv.entries(namespace)
    if (entries !== undefined) return withText(request, kvTableText(entries))
    return answerTo(request, RESPONSE.QUERY_NOT_FOUND, `No config item, Namespace: ${namespace}`)
  }

  async function update(request: RemotingCommand): Promise<RemotingCommand> {
    const outcome = await configuration.update(decodeText(request.body ?? new Uint8Array(0)))
    return answerTo(request, CODES[outcome.kind], outcome.remark)
  }

  /** Code 0 once it is on disk; code 1 when it is only in memory, so that nobody takes it for safe. */
  async function saved(request: RemotingCommand, saving: Promise<void>): Promise<RemotingCommand> {
    try {
      await saving
      return answerTo(request, RESPONSE.SUCCESS)
    } catch (error) {
      log.error(`configuration could not be written: ${describe(error)}`)
      const remark = `changed in memory, but not on disk: ${describe(error)}`
      return answerTo(request, RESPONSE.SYSTEM_ERROR, remark)
    }
  }
}
