/** Request–reply: replies on their way back (spec/broker-requests.md §6). */
export { replyProcessors } from './reply-processor.ts'
