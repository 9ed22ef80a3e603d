// A message that is seen if, and only if, a local transaction is committed.
//
//   NAMESRV_ADDR=localhost:9876 node examples/transaction.mjs
import { Producer } from 'basaltmq/client'

const accounts = new Map([['alice', 100]]) // your database
const booked = new Set()

const producer = new Producer({
  group: 'example-transaction',
  // Asked later by the broker about transactions that it heard no end of: this process may have died, another of the group answers.
  checkLocalTransaction: (message) => (booked.has(message.keys[0]) ? 'COMMIT_MESSAGE' : 'ROLLBACK_MESSAGE'),
})

for (const [id, amount] of [
  ['t-1', 70],
  ['t-2', 70],
]) {
  const message = { topic: 'Payments', body: `alice pays ${amount}`, keys: id }
  const { localTransactionState } = await producer.sendInTransaction(message, () => {
    const left = accounts.get('alice') - amount
    if (left < 0) return 'ROLLBACK_MESSAGE'
    accounts.set('alice', left)
    booked.add(id)
    return 'COMMIT_MESSAGE'
  })
  console.log(`${id} ${localTransactionState}`)
}
await producer.close()
