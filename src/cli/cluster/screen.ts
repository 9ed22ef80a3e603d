/** What is printed when the members of a cluster for trying out are there. */
import { hasColours, painter, STYLE } from '../colours.ts'
import type { Io } from '../io.ts'
import { facts, table } from '../table.ts'
import { version } from '../version.ts'
import type { MemberProcess } from './member-process.ts'
import type { ClusterPlan } from './plan.ts'

const USUAL_PORT = 9876

export function clusterScreen(io: Io, plan: ClusterPlan, members: readonly MemberProcess[], readyMs: number): string {
  const { folder, group, namesrvPort, config } = plan
  const bold = (text: string) => painter(hasColours(io))(STYLE.bold, text)
  const at = namesrvPort === USUAL_PORT ? '' : ` -n 127.0.0.1:${namesrvPort}`
  const width = io.terminal?.columns ?? Number.POSITIVE_INFINITY
  const head = `basaltmq ${version()}, Node ${process.versions.node}, pid ${process.pid}: ${members.length} members of one DLedger group, for trying out\n\n`
  const about = facts([
    [
      'group',
      `${group} in ${config.brokerClusterName}${config.dLedgerFastElection ? ', fast election' : ''}, ${config.flushDiskType}`,
    ],
    ['NameServer', `127.0.0.1:${namesrvPort} (in this process)`],
    ['folder', `${folder} (${plan.isNew ? 'new' : 'from an earlier run'}, kept)`],
  ])
  const rows = members.map(({ pid, plan: member }) => [
    ...[member.id, String(pid ?? '-'), `127.0.0.1:${member.port}`, `127.0.0.1:${member.dledgerPort}`, member.command],
  ])
  const columns = ['member', 'pid', 'clients', 'DLedger', 'alone'].map((title) => ({ head: title }))
  const [{ pid }] = members
  const ways = facts([
    ['send', `basaltmq admin topic create Trying${at}; basaltmq admin message send Trying --body hello${at}`],
    ['read', `basaltmq admin message tail Trying --from "10m ago"${at}`],
    ['kill', `kill -9 ${pid ?? 'PID'} (that of the leader: see below, where all that happens is told)`],
    ['again', 'the command in its line ("alone") in another terminal'],
    ['watch', `basaltmq admin dledger status${at}; basaltmq admin top${at}`],
    ['hand over', `basaltmq admin dledger transfer --to n1${at}`],
  ])
  const keys = hasKeys(io)
    ? `Keys 0 to ${members.length - 1}: kill -9 that member, and once more: start it again.\n`
    : ''
  const heads = `${bold(`All on this machine and its disk: what it loses, all lose.`)}\n`
  return `${head}${about}\n${table(columns, rows, width)}\n${ways}\n${heads}${keys}ready in ${Math.round(readyMs)} ms; Ctrl-C stops all\n`
}

export function hasKeys(io: Io): boolean {
  return io.terminal?.ask !== undefined
}
