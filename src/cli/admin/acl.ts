/** `basaltmq admin acl …`: access rules (ACL 1.0) of brokers. */
import { resolve } from 'node:path'
import {
  type AccountChange,
  type AclAccount,
  AdminError,
  aclRules,
  aclVersions,
  deleteAccount,
  eachOf,
  mastersOf,
  rulesIn,
  setAccount,
  setWhiteList,
} from '../../admin/index.ts'
import { ConfigError } from '../../errors.ts'
import { inputText, secretFile } from './connection.ts'
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
    return `${text}\nThe rules: "basaltmq admin acl show"\n`
  })
}

interface RuleRow extends AclAccount {
  broker: string
}

async function show(context: Context, given: Given): Promise<void> {
  const accessKey = given.optionalArg(0)
  const file = given.text('rules')
  const places = file === undefined ? await rulesOfBrokers(context, given) : [await rulesInFile(context, file)]
  const rows = places.flatMap(({ broker, rules }) => rules.accounts.map((account): RuleRow => ({ broker, ...account })))
  const chosen = rows.filter((row) => accessKey === undefined || row.accessKey === accessKey)
  if (accessKey !== undefined && chosen.length === 0) {
    throw new AdminError('NO_ACCOUNT', {
      what: `there is no account ${accessKey}`,
      todo: `accounts are ${[...new Set(rows.map((row) => row.accessKey))].join(', ') || 'none'}`,
    })
  }
  const whites = places.map(({ broker, rules }) => ({ broker, globalWhiteAddrs: rules.globalWhiteAddrs }))
  context.show({ accounts: chosen, white: whites }, () => {
    const text = context.table(
      [
        { title: 'broker', of: (row: RuleRow) => row.broker },
        { title: 'account', of: (row) => row.accessKey },
        { title: 'admin', of: (row) => (row.admin ? 'yes' : '') },
        { title: 'topics', of: (row) => permsText(row.defaultTopicPerm, row.topicPerms) },
        { title: 'groups', of: (row) => permsText(row.defaultGroupPerm, row.groupPerms) },
        { title: 'unsigned from', of: (row) => row.whiteRemoteAddress || '-' },
      ],
      chosen,
    )
    const lines = whites.map(
      ({ broker, globalWhiteAddrs }) => `${broker}: unsigned from ${globalWhiteAddrs.join(', ') || 'nowhere'}\n`,
    )
    return `${chosen.length === 0 ? 'no accounts\n' : text}\n${lines.join('')}Secrets are never shown.\n`
  })
}

const permsText = (otherwise: string, perms: readonly string[]) =>
  [...perms, ...(otherwise === '' ? [] : [`else ${otherwise}`])].join(' ') || '-'

async function rulesOfBrokers(context: Context, given: Given) {
  const masters = await mastersOf(context.admin, whereOf(given))
  return eachOf(masters, async (broker) => ({
    broker: brokerText(broker),
    rules: await aclRules(context.admin, broker.address),
  }))
}

/** plain_acl.yml, on the broker's own machine. */
async function rulesInFile({ io }: Context, file: string) {
  const path = resolve(io.cwd, file)
  const text = secretFile(path)
  const { parse } = await import('yaml')
  try {
    return { broker: file, rules: rulesIn(parse(text)) }
  } catch (error) {
    // What the parser says shows the line that it is about, a secret perhaps.
    const { linePos } = error as { linePos?: { line: number }[] }
    throw new ConfigError('BAD_FILE', {
      what: `it is no YAML${linePos?.[0] === undefined ? '' : `, see line ${linePos[0].line}`}`,
      where: path,
    })
  }
}

const isHere = (address: string) => /^(127\.|localhost:|\[::1\])/.test(address)

async function set(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const admin_ = given.text('admin')
  const change: AccountChange = {
    accessKey: given.arg(0),
    secretKey: await secretOf(context, given),
    whiteRemoteAddress: given.text('white'),
    ...(admin_ === undefined ? {} : { admin: parseBool(admin_, '--admin') }),
    defaultTopicPerm: given.text('topicDefault'),
    defaultGroupPerm: given.text('groupDefault'),
    topicPerms: given.list('topic').join(',') || undefined,
    groupPerms: given.list('group').join(',') || undefined,
  }
  if (Object.values(change).filter((value) => value !== undefined).length === 1) {
    throw usage('nothing to set is given', 'see "basaltmq admin acl set --help"')
  }
  const masters = await mastersOf(admin, whereOf(given))
  if (change.secretKey !== undefined && !context.isSecure && masters.some(({ address }) => !isHere(address))) {
    context.note('warning: the secret goes to the brokers as it is: --tls hides it on the way')
  }
  if (!context.isDryRun) await eachOf(masters, ({ address }) => setAccount(admin, address, change))
  tell(context, `account ${change.accessKey}`, 'set', masters.map(brokerText))
}

/** Not as an argument: everybody on the machine can read those. */
async function secretOf({ io, note }: Context, given: Given): Promise<string | undefined> {
  const { cwd, env } = io
  const name = given.text('secretEnv')
  const file = given.text('secretFile')
  if (name !== undefined && file !== undefined) throw usage('--secret-env and --secret-file are two places', 'give one')
  if (file !== undefined) {
    if (file === '-' && given.text('account') === '-')
      throw usage('standard input holds one thing: the account or the secret')
    const text = file === '-' ? await inputText(io) : secretFile(resolve(cwd, file), note)
    const secret = text.replace(/\r?\n$/, '')
    if (secret === '' || /[\r\n]/.test(secret))
      throw usage('the secret has to be one line', `see ${file === '-' ? 'standard input' : file}`)
    return secret
  }
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
    mqadmin: ['clusterAclConfigVersion'],
    options: WHERE,
    examples: ['acl list', 'acl list --broker broker-a', 'acl list --account tools.yml'],
    run: list,
  },
  {
    path: 'acl show',
    about:
      'accounts and what they may do, without their secrets: asked of brokers up to 4.9.7, or read in plain_acl.yml',
    mqadmin: ['getAclConfig'],
    args: [['[accessKey]', 'only this account']],
    options: [{ flags: '--rules <file>', about: 'read this plain_acl.yml, and ask nobody' }, ...WHERE],
    examples: ['acl show', 'acl show application --json', 'acl show --rules conf/plain_acl.yml'],
    run: show,
  },
  {
    path: 'acl set',
    about: 'create an account or change it',
    mqadmin: ['updateAclConfig'],
    args: KEY,
    options: [
      { flags: '--secret-file <file>', about: 'the file that has its secret; -: standard input' },
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
      'acl set application --secret-file secret.txt --dry-run',
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
