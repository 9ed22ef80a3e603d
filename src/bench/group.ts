/**
 * A group in DLedger's mode under test: three brokers that elect their master; what each is told, and who leads.
 *
 * Between members: the port that a classic master has for its slaves (BrokerNode.haAddress).
 * Blocks on: nothing; polls.
 */
import { REQUEST, type RemotingClient, request } from '../remoting/index.ts'
import { type BrokerConfigText, type BrokerNode, READY_TOPIC } from './broker-node.ts'
import { until } from './server-process.ts'

export const MEMBERS = 3
const ANSWER_MS_MAX = 2000
const OK = 0

/** `peers`: "host:port" of each for the others, as this one is to reach them. */
export function memberConfig(index: number, peers: readonly string[]): BrokerConfigText {
  return {
    enableDLegerCommitLog: true,
    dLegerGroup: 'broker-a',
    dLegerPeers: peers.map((address, peer) => `n${peer}-${address}`).join(';'),
    dLegerSelfId: `n${index}`,
  }
}

/**
 * The member that acknowledges: of two that believe to lead, one has no majority. Found by asking, with a message; first the one that
 * led before. Undefined when nobody does.
 */
export async function leaderAmong(nodes: readonly BrokerNode[]): Promise<BrokerNode | undefined> {
  for (const node of nodes) {
    if (node.isRunning && (await node.send(READY_TOPIC, 'who leads?')) === OK) return node
  }
  return undefined
}

export async function waitForLeader(nodes: readonly BrokerNode[], timeoutMs: number): Promise<BrokerNode> {
  let leader: BrokerNode | undefined
  await until(
    async () => {
      leader = await leaderAmong(nodes)
      return leader !== undefined
    },
    timeoutMs,
    nodes.find((node) => node.isRunning)?.process,
  )
  return leader!
}

/** Until each member knows the topic: followers copy their leader's tables when its log brings a queue that they do not know. */
export async function waitForTopic(
  nodes: readonly BrokerNode[],
  topic: string,
  client: RemotingClient,
  timeoutMs: number,
): Promise<void> {
  const knows = async ({ address }: BrokerNode) => {
    const { code, body } = await client.invoke(address, request(REQUEST.GET_ALL_TOPIC_CONFIG), ANSWER_MS_MAX)
    return code === OK && body !== undefined && Buffer.from(body).includes(`"${topic}"`)
  }
  for (const node of nodes) await until(() => knows(node), timeoutMs, node.process)
}
