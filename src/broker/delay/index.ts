/**
 * Messages that wait: delay levels, and with them what consumers send back.
 *
 *   delayed-send       a send with DELAY > 0 goes to SCHEDULE_TOPIC_XXXX
 *   delay-level        one level's queue, walked as its messages come due
 *   schedule-record    a waiting record in place, and its delivered form
 *   delivery           due records into the submit ring
 *   delay-offsets      config/delayOffset.json
 *   delivery-mark      <store>/basalt/deliveries: how far it got when the process is killed
 *   recover-progress   both read at the start, and what was delivered after them
 *   delay-service      all of it, in time
 */

export { DelayService } from './delay-service.ts'
export { DeliveryMark, type Mark, markPath, markText, parseMark } from './delivery-mark.ts'
