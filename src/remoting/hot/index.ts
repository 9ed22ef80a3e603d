/**
 * Sends and pulls without objects: headers are read from the socket's bytes, answers written into the connection's output.
 *
 *   scanSend(bytes, start, end, fields) ─ false ─▶ genericSend(decodeCommand(bytes, start, end), fields)
 *   at = c.reserve(sendAnswerRoom(…)); c.advance(writeSendAnswer(c.out, at, …))
 */
export { genericPull } from './generic-pull.ts'
export { genericSend } from './generic-send.ts'
export { PULL_ANSWER_ROOM, type PullAnswer, writePullAnswerHeader } from './pull-answer.ts'
export { PullFields } from './pull-fields.ts'
export { scanPull } from './scan-pull.ts'
export { scanSend } from './scan-send.ts'
export { sendAnswerRoom, writeSendAnswer } from './send-answer.ts'
export { PAIR_END, SendFields } from './send-fields.ts'
export { type SentAnswer, SentReader } from './sent-answer.ts'
