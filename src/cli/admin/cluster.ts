/** `basaltmq admin cluster list`. */
import {
  brokersOf,
  type DLedgerRows,
  dledgerRowsOf,
  eachOf,
  type RuntimeTable,
  rateOf,
  runtimeOf,
  throwIfNotAllowed,
} from '../../admin/index.ts'
import { describe } from '../../errors.ts'
import type { Context } from './context.ts'
import { rateText } from './format.ts'
import { brokerText } from './shared.ts'
import type { CommandSpec } from './spec.ts'

interface ClusterRow {
  cluster: string
  masters: number
  slaves: number
  silent: number
  inTps: number
  outTps: number
  today: number
  /** Members of DLedger groups that are ours. */
  dledger?: DLedgerRows[]
}

async function list(context: Context): Promise<void> {
  const { admin } = context
  const failures: string[] = []
  const looks = await eachOf(await brokersOf(admin), async (broker) => ({
    broker,
    runtime: await runtimeOf(admin, broker.address).catch((error: unknown): RuntimeTable | undefined => {
      throwIfNotAllowed(error)
      failures.push(`${brokerText(broker)} does not tell: ${describe(error)}\n`)
      return undefined
    }),
  }))
  const rows = new Map<string, ClusterRow>()
  for (const { broker, runtime } of looks) {
    const { cluster, id } = broker
    const row = rows.get(cluster) ?? { cluster, masters: 0, slaves: 0, silent: 0, inTps: 0, outTps: 0, today: 0 }
    rows.set(cluster, row)
    if (id === 0) row.masters++
    else row.slaves++
    const member = runtime === undefined ? undefined : dledgerRowsOf(runtime)
    if (member !== undefined) row.dledger = [...(row.dledger ?? []), member]
    if (runtime === undefined) row.silent++
    // What slaves put is what masters have put already.
    else if (id === 0) {
      row.inTps += rateOf(runtime, 'putTps')
      row.outTps += rateOf(runtime, 'getTransferedTps')
      row.today += Number(runtime.msgPutTotalTodayNow ?? 0) - Number(runtime.msgPutTotalTodayMorning ?? 0)
    }
  }
  const all = [...rows.values()]
  context.show(all, () =>
    all.length === 0
      ? 'no broker is registered\n'
      : context.table(
          [
            { title: 'cluster', of: (row: ClusterRow) => row.cluster },
            { title: 'masters', of: (row) => row.masters },
            { title: 'slaves', of: (row) => row.slaves },
            { title: 'silent', of: (row) => row.silent },
            { title: 'in TPS', of: (row) => rateText(row.inTps), right: true },
            { title: 'out TPS', of: (row) => rateText(row.outTps), right: true },
            { title: 'in today', of: (row) => row.today },
          ],
          all,
        ) +
        all.map(({ dledger = [] }) => leadersText(dledger)).join('') +
        failures.join(''),
  )
}

function leadersText(members: readonly DLedgerRows[]): string {
  const groups = [...new Set(members.map(({ group }) => group))]
  return groups
    .map((group) => {
      const own = members.filter((member) => member.group === group)
      const leader = own.find(({ role }) => role === 'LEADER')
      const others = own.filter((member) => member !== leader).map(({ selfId, role }) => `${selfId} ${role}`)
      const who = leader === undefined ? 'nobody leads' : `${leader.selfId} leads in term ${leader.term}`
      return `DLedger group ${group}: ${[who, ...others].join(', ')}\n`
    })
    .join('')
}

export const CLUSTER: readonly CommandSpec[] = [
  {
    path: 'cluster list',
    about: 'clusters with their brokers, rates, and how many do not answer',
    mqadmin: ['clusterList'],
    examples: ['cluster list', 'cluster list -n namesrv-a:9876', 'cluster list --json'],
    run: list,
  },
]
