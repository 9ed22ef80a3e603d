// @ts-check
/**
 * A consumer as a process, to be killed: notes every message before and after it is consumed in a file, a line each, written at once.
 *
 *   node consumer-program.mjs '{"namesrv":…,"file":…,"until":count?,"work":ms,"bad":text?,"options":{…}}'
 *
 * `until`: closes after so many, and does nothing more: the process must end by itself. `bad`: what texts begin with that fail every time;
 * they are to come again after the shortest delay.
 */
import { openSync, writeSync } from 'node:fs'
import { PushConsumer } from '../../../dist/client/consumer/index.js'

const { namesrv, file, until, work, bad, options } = JSON.parse(process.argv[2])
const fd = openSync(file, 'a')
const note = (/** @type {string} */ kind, /** @type {any} */ { body, queueId, queueOffset }) =>
  writeSync(fd, `${kind} ${body} ${queueId} ${queueOffset}\n`)
let done = 0

const consumer = new PushConsumer({
  nameserver: namesrv,
  group: 'G',
  subscriptions: { T: '*' },
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  ...options,
  listener: async ([message], context) => {
    note('began', message)
    await new Promise((resolve) => setTimeout(resolve, work * Math.random() * 2))
    if (bad !== undefined && message.body.toString().startsWith(bad)) {
      note('failed', message)
      context.delayLevelWhenNextConsume = 1
      return 'RECONSUME_LATER'
    }
    note('done', message)
    if (++done === until) setImmediate(() => consumer.close())
  },
})
await consumer.start()
console.log('started')
