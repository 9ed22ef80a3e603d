/** `basaltmq admin dledger …`: groups of our brokers, Apache's, or both. What does it is loaded when it is run. */
import type { CommandSpec, OptionSpec } from './spec.ts'

const GROUP: readonly OptionSpec[] = [
  { flags: '-g, --group <group>', about: 'only this group (dLegerGroup)' },
  { flags: '-b, --broker <broker>', about: 'the group of this broker: name, name:id or host:port' },
]

export const DLEDGER: readonly CommandSpec[] = [
  {
    path: 'dledger status',
    about: "each member's role, term, leader, indexes and lag, and what is wrong; status 3 where nobody leads",
    mqadmin: [],
    nearest: '"clusterList" (who is registered as what), and getSyncStateSet of RocketMQ 5',
    options: GROUP,
    examples: ['dledger status', 'dledger status -b 127.0.0.1:10911', 'dledger status --group RaftNode00 --json'],
    run: async (context, given) => (await import('./dledger-run.ts')).status(context, given),
  },
  {
    path: 'dledger transfer',
    about: 'have another member lead: the leader hands over, nothing is lost, and the command waits until it is done',
    mqadmin: [],
    nearest: "electMaster of RocketMQ 5; DLedger's own command line has leadershipTransfer",
    options: [
      { flags: '--to <id>', about: 'the member that is to lead: n1' },
      ...GROUP,
      { flags: '--wait <duration>', about: 'how long it may take (10s)' },
    ],
    rehearses: true,
    destroys: true,
    examples: [
      'dledger transfer --to n1 --dry-run',
      'dledger transfer --to n1 --yes',
      'dledger transfer --to n2 --group RaftNode00 --yes',
    ],
    run: async (context, given) => (await import('./dledger-run.ts')).transfer(context, given),
  },
]
