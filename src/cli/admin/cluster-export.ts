/**
 * `basaltmq admin cluster export …`, `topic import`, `group import`: what brokers are told of topics and groups, how they are configured
 * and how they do, as JSON; topics and groups of such a file put on brokers.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  AdminError,
  type BrokerAddress,
  brokerConfig,
  brokersOf,
  eachOf,
  findBroker,
  type GroupConfig,
  isSystemGroup,
  mastersOf,
  ownNames,
  placedGroups,
  placedTopics,
  producersOf,
  putGroup,
  putTopic,
  runtimeOf,
  topicKind,
} from '../../admin/index.ts'
import { ConfigError, describeFile } from '../../errors.ts'
import { inputText } from './connection.ts'
import type { Context } from './context.ts'
import { brokerText, checkName, WHERE, whereOf } from './shared.ts'
import { type CommandSpec, type Given, usage } from './spec.ts'

const SHOWN_ALWAYS = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`

/** For `topic import` and `group import`, and the names are those that mqadmin's files have. */
async function metadata(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const where = whereOf(given)
  const [topics, groups, names] = await Promise.all([
    placedTopics(admin, where),
    placedGroups(admin, where),
    ownNames(admin),
  ])
  const value = {
    topics: topics
      .filter(({ topic }) => topicKind(topic, names) === 'normal')
      .map(({ topic, broker, readQueues, writeQueues, perm, filterType, sysFlag, order }) => ({
        ...{
          broker: broker.name,
          topicName: topic,
          readQueueNums: readQueues,
          writeQueueNums: writeQueues,
          perm,
          order,
        },
        ...{ topicFilterType: filterType, topicSysFlag: sysFlag },
      })),
    groups: groups
      .filter(({ config }) => !isSystemGroup(config.groupName))
      .map(({ config, broker }) => ({ broker: broker.name, ...config })),
  }
  context.show(value, () => SHOWN_ALWAYS(value))
}

async function perBroker<T>(
  context: Context,
  given: Given,
  of: (broker: BrokerAddress) => Promise<T>,
): Promise<Record<string, T>> {
  const { cluster, broker } = whereOf(given)
  const all = broker === undefined ? await brokersOf(context.admin) : [await findBroker(context.admin, broker)]
  const brokers = all.filter((one) => cluster === undefined || one.cluster === cluster)
  const values = await eachOf(brokers, of)
  return Object.fromEntries(brokers.map((one, i) => [brokerText(one), values[i]]))
}

async function configs(context: Context, given: Given): Promise<void> {
  const value = await perBroker(context, given, async ({ address }) => ({
    address,
    config: Object.fromEntries(await brokerConfig(context.admin, address)),
  }))
  context.show(value, () => SHOWN_ALWAYS(value))
}

async function metrics(context: Context, given: Given): Promise<void> {
  const { admin } = context
  const value = await perBroker(context, given, async (broker) => ({
    address: broker.address,
    producers: (await producersOf(admin, [broker])).length,
    runtime: await runtimeOf(admin, broker.address),
  }))
  context.show(value, () => SHOWN_ALWAYS(value))
}

type Entry = Record<string, unknown>

/** A list, as mqadmin's files are, or what `cluster export metadata` printed. */
async function entriesIn(context: Context, file: string, list: 'topics' | 'groups', name: string): Promise<Entry[]> {
  const { io } = context
  const where = file === '-' ? 'standard input' : resolve(io.cwd, file)
  let found: unknown
  try {
    const value: unknown = JSON.parse(file === '-' ? await inputText(io) : readFileSync(where, 'utf8'))
    found = Array.isArray(value) ? value : (value as Entry | null)?.[list]
  } catch (error) {
    throw new ConfigError('BAD_FILE', { what: `no JSON can be read: ${describeFile(error)}`, where })
  }
  const entries = Array.isArray(found) ? (found as Entry[]) : []
  const isNamed = (entry: Entry | null) => typeof entry?.[name] === 'string' && entry[name] !== ''
  if (entries.length > 0 && entries.every(isNamed)) return entries
  throw new ConfigError('BAD_FILE', {
    what:
      entries.length === 0
        ? `it has no ${list}`
        : `entry ${entries.findIndex((entry) => !isNamed(entry))} has no ${name}`,
    where,
    todo: `give a list such as [{"${name}":"A"}], or what "basaltmq admin cluster export metadata" prints`,
  })
}

/** Onto the broker that an entry names, else where the options say. */
async function put(
  context: Context,
  given: Given,
  name: 'topicName' | 'groupName',
  send: (entry: Entry, address: string) => Promise<void>,
): Promise<void> {
  const { admin } = context
  const entries = await entriesIn(context, given.arg(0), name === 'topicName' ? 'topics' : 'groups', name)
  for (const entry of entries) checkName(name === 'topicName' ? 'topic' : 'group', String(entry[name]))
  const where = whereOf(given)
  const isChosen = where.broker !== undefined || where.cluster !== undefined
  const masters = await mastersOf(admin, where)
  const rows = entries.flatMap((entry) => {
    const wanted = isChosen ? undefined : entry.broker
    const targets = wanted === undefined ? masters : masters.filter((one) => one.name === wanted)
    if (targets.length === 0) throw usage(`${String(entry[name])} is for ${String(wanted)}, which is no master here`)
    return targets.map((broker) => ({ entry, broker }))
  })
  if (!context.isDryRun) {
    await context.confirm(`${entries.length} entries take the place of what ${masters.map(brokerText).join(', ')} have`)
    await eachOf(rows, ({ entry, broker }) => send(entry, broker.address))
  }
  const done = context.isDryRun ? 'would be put' : 'put'
  const list = rows.map(({ entry, broker }) => ({ name: entry[name], broker: broker.name }))
  context.show({ done, entries: list }, () =>
    list.map(({ name: one, broker }) => `${String(one)} ${done} on ${broker}\n`).join(''),
  )
}

const numberIn = (entry: Entry, name: string, fallback: number) => {
  const value = entry[name] ?? fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value
  throw new AdminError('BAD_FILE', {
    what: `${String(entry.topicName)}: ${name} is ${JSON.stringify(value)}, no number`,
  })
}

function putTopicEntry(context: Context, entry: Entry, address: string): Promise<void> {
  return putTopic(context.admin, address, {
    topic: String(entry.topicName),
    readQueues: numberIn(entry, 'readQueueNums', 8),
    writeQueues: numberIn(entry, 'writeQueueNums', 8),
    perm: numberIn(entry, 'perm', 6),
    filterType: typeof entry.topicFilterType === 'string' ? entry.topicFilterType : 'SINGLE_TAG',
    sysFlag: numberIn(entry, 'topicSysFlag', 0),
    order: entry.order === true,
  })
}

function putGroupEntry(context: Context, { broker: _, ...config }: Entry, address: string): Promise<void> {
  return putGroup(context.admin, address, { ...config, groupName: String(config.groupName) } as GroupConfig)
}

const exported = (
  what: string,
  mqadmin: string,
  about: string,
  run: (context: Context, given: Given) => Promise<void>,
): CommandSpec => ({
  path: `cluster export ${what}`,
  about,
  mqadmin: [mqadmin],
  options: WHERE,
  examples: [`cluster export ${what}`, `cluster export ${what} --cluster DefaultCluster`],
  run,
})

const imported = (
  what: 'topic' | 'group',
  mqadmin: string,
  run: (context: Context, given: Given) => Promise<void>,
): CommandSpec => ({
  path: `${what} import`,
  about: `put all ${what}s of a file on brokers: a list as mqadmin takes it, or what "cluster export metadata" printed`,
  mqadmin: [mqadmin],
  args: [['<file>', 'JSON; -: standard input']],
  options: WHERE,
  rehearses: true,
  destroys: true,
  examples: [`${what} import metadata.json --dry-run`, `${what} import metadata.json --cluster DefaultCluster --yes`],
  run,
})

export const EXPORTS: readonly CommandSpec[] = [
  exported('metadata', 'exportMetadata', 'topics and groups of users on each master, as JSON', metadata),
  exported('configs', 'exportConfigs', "each broker's configuration, as JSON", configs),
  exported('metrics', 'exportMetrics', "each broker's figures, as JSON", metrics),
  imported('topic', 'updateTopicList', (context, given) =>
    put(context, given, 'topicName', (entry, address) => putTopicEntry(context, entry, address)),
  ),
  imported('group', 'updateSubGroupList', (context, given) =>
    put(context, given, 'groupName', (entry, address) => putGroupEntry(context, entry, address)),
  ),
]
