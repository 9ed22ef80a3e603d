/** A message as a consumer gets it. */
export type { MessageExt as ReceivedMessage } from '../message/message-ext.ts'
