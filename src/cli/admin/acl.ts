/** `basaltmq admin acl …`: access rules (ACL 1.0) of brokers. */
import {
  type AccountChange,
  aclVersions,
  deleteAccount,
  eachOf,
  mastersOf,
  setAccount,
  setWhiteList,
} from '../../admin/index.ts'
import type { Context } from './context.ts'
import { timeText } from './format.ts'
import { brokerText, parseBool, WHERE, whereOf } from './shared.ts'
import { type CommandSpec, type Given, usage } from './spec.ts'

async function list(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const masters = await mastersOf(admin, whereOf(given))
  const rows = (
    await eachOf(masters, async (broker) =>
      (await aclVersions(admin, broker.address)).map((version) => ({ broker: brokerText(broker), ...version })),
    )
  ).flat()
  context.show(rows, () => {
    const text = context.table(
      [
        { title: 'broker', of: (row: (typeof rows)[number]) => row.broker },
        { title: 'version', of: (row) => row.counter },
        { title: 'changed', of: (row) => timeText(row.timestamp) },
        { title: 'file', of: (row) => row.file || '-' },
      ],
      rows,
    )
    return `${text}\nThe rules themselves no request tells: it would give the secrets away (CVE-2024-23321). Read the files on the broker's machine.\n`
  })
}

async function set(context: Context, given: Given): Promise<void> {
  const { admin, io } = context
  const admin_ = given.text('admin')
  const change: AccountChange = {
    accessKey: given.arg(0),
    secretKey: secretOf(given, io.env),
    whiteRemoteAddress: given.text('white'),
    ...(admin_ === undefined ? {} : { admin: parseBool(admin_, '--admin') }),
    defaultTopicPerm: given.text('topicDefault'),
    defaultGroupPerm: given.text('groupDefault'),
    topicPerms: given.list('topic').join(',') || undefined,
    groupPerms: given.list('group').join(',') || undefined,
  }
  const masters = await mastersOf(admin, whereOf(given))
  if (!context.isDryRun) await eachOf(masters, ({ address }) => setAccount(admin, address, change))
  tell(context, `account ${change.accessKey}`, 'set', masters.map(brokerText))
}

/** Not as an argument: everybody on the machine can read those. */
function secretOf(given: Given, env: Record<string, string | undefined>): string | undefined {
  const name = given.text('secretEnv')
  if (name === undefined) return undefined
  const value = env[name]
  if (value === undefined || value === '') throw usage(`the environment has no ${name}`, 'put the secret there')
  return value
}

async function remove(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const accessKey = given.arg(0)
  const masters = await mastersOf(admin, whereOf(given))
  if (!context.isDryRun) {
    await context.confirm(`account ${accessKey} will be deleted on ${masters.map(brokerText).join(', ')}`)
    await eachOf(masters, ({ address }) => deleteAccount(admin, address, accessKey))
  }
  tell(context, `account ${accessKey}`, 'deleted', masters.map(brokerText))
}

async function whitelist(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const addresses = given.rest(0)
  const masters = await mastersOf(admin, whereOf(given))
  if (!context.isDryRun) {
    await context.confirm(
      `whoever comes from ${addresses.join(', ')} will need no account on ${masters.map(brokerText).join(', ')}`,
    )
    await eachOf(masters, ({ address }) => setWhiteList(admin, address, addresses, given.text('file')))
  }
  tell(context, `white list ${addresses.join(', ')}`, 'set', masters.map(brokerText))
}

function tell(context: Context, what: string, verb: string, brokers: readonly string[]): void {
  const done = context.isDryRun ? `would be ${verb}` : verb
  context.show({ done, what, brokers }, () => `${what} ${done} on ${brokers.join(', ')}\n`)
}

const KEY = [['<accessKey>', "the account's name"]] as const

export const ACL: readonly CommandSpec[] = [
  {
    path: 'acl list',
    about: 'which version of the access rules is in force on each broker',
    mqadmin: ['clusterAclConfigVersion', 'getAclConfig'],
    options: WHERE,
    examples: ['acl list', 'acl list --broker broker-a', 'acl list --account tools.yml'],
    run: list,
  },
  {
    path: 'acl set',
    about: 'create an account or change it',
    mqadmin: ['updateAclConfig'],
    args: KEY,
    options: [
      { flags: '--secret-env <name>', about: 'the environment variable that has its secret' },
      { flags: '--white <addresses>', about: 'from where it needs no signature' },
      { flags: '--admin <bool>', about: 'whether it may administer' },
      { flags: '--topic-default <perm>', about: 'DENY, PUB, SUB or PUB|SUB' },
      { flags: '--group-default <perm>', about: 'DENY or SUB' },
      { flags: '--topic <topic=perm>', about: 'of one topic', many: true },
      { flags: '--group <group=perm>', about: 'of one group', many: true },
      ...WHERE,
    ],
    rehearses: true,
    examples: [
      'acl set application --secret-env SECRET --topic "MyTopic=PUB|SUB" --group MyGroup=SUB',
      'acl set application --topic-default DENY',
    ],
    run: set,
  },
  {
    path: 'acl delete',
    about: 'delete an account',
    mqadmin: ['deleteAclConfig'],
    args: KEY,
    options: WHERE,
    rehearses: true,
    destroys: true,
    examples: ['acl delete application --dry-run', 'acl delete application'],
    run: remove,
  },
  {
    path: 'acl whitelist',
    about: 'set the addresses from which nobody needs an account',
    mqadmin: ['updateGlobalWhiteAddr'],
    args: [['<address...>', 'such as 10.0.0.* or 10.0.0.1-20']],
    options: [{ flags: '--file <path>', about: 'which of the rule files, as its path on the broker' }, ...WHERE],
    rehearses: true,
    destroys: true,
    examples: ['acl whitelist 10.0.0.* --dry-run', 'acl whitelist 10.0.0.1 10.0.0.2'],
    run: whitelist,
  },
]
