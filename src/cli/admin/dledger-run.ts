/** What `basaltmq admin dledger` shows and does. */
import {
  type DLedgerGroupLook,
  type DLedgerMemberLook,
  DLedgerMembers,
  dledgerGroups,
  noLeader,
  transferLeadership,
} from '../../admin/dledger/index.ts'
import { AdminError } from '../../admin/index.ts'
import { ExitStatus, FOUND } from '../exit-status.ts'
import type { Context } from './context.ts'
import { bytesText, durationText, parseDuration } from './format.ts'
import { brokerText } from './shared.ts'
import { type Given, usage } from './spec.ts'

const PORT_TIMEOUT_MS = 2000

async function withPorts<T>(given: Given, run: (ports: DLedgerMembers) => Promise<T>): Promise<T> {
  const ports = new DLedgerMembers(given.count('timeout', 1, 3_600_000) ?? PORT_TIMEOUT_MS)
  try {
    return await run(ports)
  } finally {
    await ports.close()
  }
}

/** Never empty. */
async function groupsOf(context: Context, given: Given, ports: DLedgerMembers): Promise<DLedgerGroupLook[]> {
  const where = { group: given.text('group'), broker: given.text('broker') }
  const groups = await dledgerGroups(context.admin, ports, where)
  if (groups.length > 0) return groups
  const which = where.group === undefined ? 'no broker that is registered is' : `none is in group ${where.group}, or is`
  throw new AdminError('NO_GROUP', {
    what: `${which} a member of a DLedger group (enableDLegerCommitLog)`,
    where: `NameServer ${context.admin.namesrv.join(', ')}`,
    todo: 'members register when they have heard who leads; -b host:port asks one that is not registered',
  })
}

export async function status(context: Context, given: Given): Promise<void> {
  const groups = await withPorts(given, (ports) => groupsOf(context, given, ports))
  context.show(groups, () => groups.map((group) => groupText(context, group)).join('\n'))
  if (groups.some(({ leaderId }) => leaderId === undefined)) throw new ExitStatus(FOUND)
}

function groupText(context: Context, { group, cluster, leaderId, term, members, notes }: DLedgerGroupLook): string {
  const known = term < 0 ? '' : ` in term ${term}`
  const head = `${group} in ${cluster}: ${leaderId === undefined ? 'nobody leads' : `${leaderId} leads${known}`}\n`
  const number = (value: number | undefined) => (value === undefined || value < 0 ? '-' : String(value))
  const table = context.table(
    [
      { title: 'id', of: ({ id }: DLedgerMemberLook) => id },
      { title: 'role', of: roleText },
      { title: 'term', of: (member) => number(member.term), right: true },
      { title: 'leader', of: (member) => member.leaderId ?? '-' },
      { title: 'begin', of: (member) => number(member.beginIndex), right: true },
      { title: 'end', of: (member) => number(member.endIndex), right: true },
      { title: 'committed', of: (member) => number(member.committedIndex), right: true },
      { title: 'lag', of: (member) => lagText(member, leaderId), right: true },
      { title: 'DLedger port', of: ({ address }) => address },
      { title: 'broker', of: ({ broker }) => (broker === undefined ? '-' : `${brokerText(broker)} ${broker.address}`) },
      { title: 'version', of: ({ version }) => version || '-' },
    ],
    members,
  )
  return `${head}${table}${notes.map((note) => `- ${note}\n`).join('')}`
}

function roleText({ role, isReady }: DLedgerMemberLook): string {
  if (role === undefined) return 'silent'
  return role === 'LEADER' && isReady === false ? 'LEADER (not ready)' : role
}

/** Of a JVM member under a JVM leader only bytes are known: of what is committed. */
function lagText({ id, lagEntries, lagBytes }: DLedgerMemberLook, leaderId: string | undefined): string {
  if (id === leaderId) return '-'
  if (lagEntries !== undefined) return String(lagEntries)
  return lagBytes === undefined ? '?' : bytesText(lagBytes)
}

export async function transfer(context: Context, given: Given): Promise<void> {
  const to = given.text('to')
  if (to === undefined) throw usage('--to says which member is to lead', 'give one of "basaltmq admin dledger status"')
  const waitMs = parseDuration(given.text('wait') ?? '10s')
  await withPorts(given, async (ports) => {
    const groups = await groupsOf(context, given, ports)
    if (groups.length > 1) {
      const names = groups.map(({ group }) => group).join(', ')
      throw usage(`there are ${groups.length} DLedger groups: ${names}`, 'say which with --group or -b')
    }
    const [group] = groups
    const member = group.members.find(({ id }) => id === to)
    if (member === undefined) {
      const ids = group.members.map(({ id }) => id).join(', ')
      throw usage(`group ${group.group} has no member "${to}"`, `its members are ${ids}`)
    }
    if (group.leaderId === to) {
      context.show(
        { done: 'nothing', group: group.group, leaderId: to, term: group.term },
        () => `${to} leads already\n`,
      )
      return
    }
    if (group.leaderId === undefined) throw noLeader(group)
    const { group: name, leaderId: from } = group
    if (context.isDryRun) {
      context.show(
        { done: 'would be asked', group: name, from, to },
        () => `${from} would be asked to hand ${name} over to ${to} (lag ${lagText(member, from)})\n`,
      )
      return
    }
    await context.confirm(`${name}: ${from} stops taking messages until ${to} leads, which takes a second or so`)
    const done = await transferLeadership(context.admin, ports, group, member, context.waiter, waitMs)
    const found = done.isMaster === true ? ', and clients find it there' : ''
    const not = `\nbut the NameServer does not have it as master yet: clients look for it until it does\n`
    context.show(
      { done: 'transferred', group: name, ...done },
      () =>
        `${to} leads ${name}${done.term < 0 ? '' : ` in term ${done.term}`} after ${durationText(done.ms)}${found}${done.isMaster === false ? not : '\n'}`,
    )
  })
}
