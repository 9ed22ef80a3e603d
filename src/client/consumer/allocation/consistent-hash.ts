/**
 * CONSISTENT_HASH: members and queues on one ring of 32-bit numbers; a queue is of the first node at or after it. When a member
 * comes or goes, only the queues beside its nodes move.
 */
import { createHash } from 'node:crypto'
import { queueText } from '../message-queue.ts'
import { type AllocateMessageQueueStrategy, placeOf } from './strategy.ts'

const VIRTUAL_NODES = 10

/** Of the ring. */
export interface ConsistentHashOptions {
  /** Nodes a member has on the ring. 10 */
  virtualNodes?: number
  /** Where a text is on the ring; all members must use the same. The first four bytes of its MD5. */
  hash?: (text: string) => number
}

/** A queue goes to the member that follows it on a ring of hashes: few queues change hands when a member comes or goes. */
export function allocateByConsistentHash(options: ConsistentHashOptions = {}): AllocateMessageQueueStrategy {
  const { virtualNodes = VIRTUAL_NODES, hash = md5Place } = options
  return {
    name: 'CONSISTENT_HASH',
    allocate(allocation) {
      const { clientId, queues, members } = allocation
      if (placeOf(allocation) === undefined) return []
      const ring = ringOf(members, virtualNodes, hash)
      return queues.filter((queue) => ring.at(hash(queueText(queue))) === clientId)
    },
  }
}

function ringOf(members: readonly string[], virtualNodes: number, hash: (text: string) => number) {
  const owners = new Map<number, string>()
  const nodes = new Map<string, number>()
  for (const member of members) {
    // One that is listed twice (two connections of one client) has twice as many.
    const first = nodes.get(member) ?? 0
    for (let i = first; i < first + virtualNodes; i++) owners.set(hash(`${member}-${i}`), member)
    nodes.set(member, first + virtualNodes)
  }
  const places = [...owners.keys()].sort((a, b) => a - b)
  return {
    at(place: number): string | undefined {
      let low = 0
      let high = places.length
      while (low < high) {
        const middle = (low + high) >>> 1
        if (places[middle] < place) low = middle + 1
        else high = middle
      }
      return owners.get(places[low === places.length ? 0 : low])
    },
  }
}

function md5Place(text: string): number {
  return createHash('md5').update(text).digest().readUInt32BE(0)
}
