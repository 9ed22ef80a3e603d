/**
 * Messages that the broker stores itself.
 *
 *   internal-put     one message through the submit ring, acks and gate
 *   stored-message   a record of the log as a message again
 *   property-text    properties read and edited
 */
export * from './internal-put.ts'
export * from './property-text.ts'
export * from './stored-message.ts'
