/**
 * Transactions (spec/broker-requests.md §10).
 *
 *   half-message       a half, and the messages that are made of it
 *   transaction-ends   commit and rollback (37)
 *   check-round        who is asked (39), what is given up; check-decision says when, check-request how
 *   transaction-state  how far: decided-halves, half-copies; op-writer notes it, op-queue reads it back
 */
export { TRANSACTION_GROUP } from './half-message.ts'
export { Transactions } from './transactions.ts'
