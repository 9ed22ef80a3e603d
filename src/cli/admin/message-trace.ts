/** `basaltmq admin message trace`: who sent a message, who got it and what came of it, as clients have written it down. */
import { AdminError, TRACE_TOPIC, type TraceStep, traceOf } from '../../admin/index.ts'
import type { Context } from './context.ts'
import { timeText } from './format.ts'
import type { CommandSpec, Given } from './spec.ts'

async function trace(context: Context, given: Given): Promise<void> {
  const id = given.arg(0)
  const topic = given.text('traceTopic') ?? TRACE_TOPIC
  const steps = await traceOf(context.admin, id, topic).catch((error: unknown) => {
    if (!(error instanceof AdminError) || error.code !== 'NO_TOPIC') throw error
    throw new AdminError('NO_TOPIC', {
      what: `no broker has the topic ${topic} that clients write traces into`,
      todo: 'traceTopicEnable=true in a broker makes it; where clients use another: --trace-topic',
    })
  })
  if (steps.length === 0) {
    throw new AdminError('NO_TRACE', {
      what: `nobody has written into ${topic} about ${id}`,
      todo: "clients trace where that is switched on in them (enableMsgTrace); give the client's id of a message, or one of its keys",
    })
  }
  context.show(steps, () =>
    context.table(
      [
        { title: 'time', of: (step: TraceStep) => timeText(step.time) },
        { title: 'step', of: (step) => step.step },
        { title: 'group', of: (step) => step.group || '-' },
        { title: 'ms', of: (step) => step.costMs ?? '', right: true },
        { title: 'result', of: (step) => (step.isSuccess === undefined ? '' : step.isSuccess ? 'success' : 'FAILED') },
        { title: 'detail', of: (step) => step.detail },
        { title: 'id', of: (step) => step.msgId },
      ],
      steps,
    ),
  )
}

export const TRACE: readonly CommandSpec[] = [
  {
    path: 'message trace',
    about: 'where a message has been: sent, received, consumed, as clients have written it into the trace topic',
    mqadmin: ['queryMsgTraceById'],
    args: [['<id>', "the client's id, or one of its KEYS"]],
    options: [{ flags: '--trace-topic <topic>', about: `where it was written (${TRACE_TOPIC})` }],
    examples: ['message trace 7F0000010BF418B4AAC24E1F2D3A0000', 'message trace order-17 --json'],
    run: trace,
  },
]
