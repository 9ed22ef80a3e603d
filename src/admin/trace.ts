/**
 * Where a message has been: what clients wrote about it into the trace topic, found by its id or key.
 *
 * Records end with 0x02, their fields with 0x01; releases differ in what they put at the end (spec/client-behaviour.md §8).
 */
import type { AdminClient } from './admin-client.ts'
import { bodyOfMessage, findByKey } from './messages.ts'

export const TRACE_TOPIC = 'RMQ_SYS_TRACE_TOPIC'

export interface TraceStep {
  step: 'sent' | 'received' | 'consumed' | 'transaction ended'
  /** 0 where the client's release does not say. */
  time: number
  group: string
  topic: string
  msgId: string
  keys: string
  costMs: number | undefined
  isSuccess: boolean | undefined
  /** Address of the client or the broker, the delivery it belongs to, the transaction's end. */
  detail: string
}

const CONTEXT_CODES = ['success', 'time-out', 'exception', 'returned null', 'failed']

export async function traceOf(admin: AdminClient, id: string, topic = TRACE_TOPIC): Promise<TraceStep[]> {
  const messages = await findByKey(admin, { topic, key: id, count: 64 })
  const steps = messages.flatMap((message) => traceSteps(Buffer.from(bodyOfMessage(message).body).toString('utf8')))
  const asked = steps.filter(({ msgId, keys }) => msgId === id || keys.split(' ').includes(id))
  // What was consumed belongs to the delivery that has its request id, whose time a release may leave out.
  const seen = new Map<string, TraceStep>()
  for (const step of asked) seen.set(JSON.stringify(step), step)
  return [...seen.values()].sort((a, b) => timeFor(a, asked) - timeFor(b, asked))
}

function timeFor(step: TraceStep, all: readonly TraceStep[]): number {
  if (step.time > 0) return step.time
  return all.find((other) => other.step === 'received' && other.detail === step.detail)?.time ?? Number.MAX_SAFE_INTEGER
}

export function traceSteps(body: string): TraceStep[] {
  return body.split('\u0002').flatMap((record) => {
    const step = stepOf(record.split('\u0001'))
    return step === undefined ? [] : [step]
  })
}

/** Undefined for what is no record, or of a kind that is not known. */
function stepOf(fields: readonly string[]): TraceStep | undefined {
  const at = (index: number) => (fields[index] === 'null' ? '' : (fields[index] ?? ''))
  switch (fields[0]) {
    case 'Pub':
      return {
        ...{ step: 'sent', time: Number(at(1)), group: at(3), topic: at(4), msgId: at(5), keys: at(7) },
        ...{ costMs: Number(at(10)), isSuccess: truth(fields.length > 13 ? at(13) : at(12)), detail: `to ${at(8)}` },
      }
    case 'SubBefore':
      return {
        ...{ step: 'received', time: Number(at(1)), group: at(3), topic: '', msgId: at(5), keys: at(7) },
        ...{ costMs: undefined, isSuccess: undefined, detail: `${at(4)}, retry ${at(6)}`.replace(/, retry 0$/, '') },
      }
    case 'SubAfter':
      return {
        ...{ step: 'consumed', time: Number(at(7)) || 0, group: at(8), topic: '', msgId: at(2), keys: at(5) },
        ...{ costMs: Number(at(3)), isSuccess: truth(at(4)), detail: outcome(at(1), at(6)) },
      }
    case 'EndTransaction':
      return {
        ...{ step: 'transaction ended', time: Number(at(1)), group: at(3), topic: at(4), msgId: at(5), keys: at(7) },
        ...{
          costMs: undefined,
          isSuccess: undefined,
          detail: `${at(11)}${at(12) === 'true' ? ', asked by the broker' : ''}`,
        },
      }
  }
  return undefined
}

const truth = (text: string) => (text === 'true' ? true : text === 'false' ? false : undefined)

function outcome(requestId: string, code: string): string {
  const word = CONTEXT_CODES[Number(code)]
  return code === '' || code === '0' || word === undefined ? requestId : `${requestId}, ${word}`
}
