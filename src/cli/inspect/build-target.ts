/** Writes messages into a store, and says what came of it: for export and import. */
import { existsSync, readdirSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { resolveConfig } from '../../config/index.ts'
import { ConfigError } from '../../errors.ts'
import { type Built, buildStore, isNewStore, type RecordSource, StoreSource } from '../../inspect/export/index.ts'
import { type LogDamage, openStore } from '../../inspect/index.ts'
import type { Log } from '../../log.ts'
import type { StoreSettings } from '../../store/settings.ts'
import type { Io } from '../io.ts'
import { count } from '../table.ts'
import { jsonLine, type StoreFlags } from './common.ts'
import { ProgressBar } from './progress-bar.ts'

/** Sizes of files: a store is opened with those that it was made with. */
const GEOMETRY = [
  'mappedFileSizeCommitLog',
  'mappedFileSizeConsumeQueue',
  'mappedFileSizeConsumeQueueExt',
  'maxHashSlotNum',
  'maxIndexNum',
] as const

const DAMAGE_SHOWN = 10

export async function buildAt(
  io: Io,
  given: string,
  source: RecordSource,
  flags: StoreFlags,
  { mustBeNew }: { mustBeNew: boolean },
): Promise<Built> {
  const root = isAbsolute(given) ? given : join(io.cwd, given)
  if (existsSync(root) && readdirSync(root).some((name) => name.startsWith('dledger-')))
    throw new ConfigError('DLEDGER_STORE', {
      what: 'this is the store of a member of a DLedger group: messages come into its log by sends to the leader',
      where: root,
      todo: 'import them into the brokers that run: basaltmq inspect import SOURCE -n NAMESRV',
    })
  const isNew = isNewStore(root)
  if (mustBeNew && !isNew) {
    throw new ConfigError('NOT_EMPTY', {
      what: 'there is a store already',
      where: root,
      todo: 'give another folder, or add to it: basaltmq inspect import STORE --to-store',
    })
  }
  const settings = settingsFor(io, root, source, flags, isNew)
  const bar = new ProgressBar(io)
  const log = tellingLog(io)
  let built: Built
  try {
    const onProgress = (done: number, total: number) => bar.show(done, total)
    built = await buildStore({ source, settings, log, now: Date.now(), onProgress })
  } finally {
    bar.clear()
  }
  if (flags.json === true) io.out(jsonLine(builtJson(built)))
  else io.out(builtText(built, root))
  io.error(damageText(built.damage))
  return built
}

function settingsFor(io: Io, root: string, source: RecordSource, flags: StoreFlags, isNew: boolean): StoreSettings {
  const overrides = { storePathRootDir: root }
  const { config: file, set } = flags
  const resolved = resolveConfig({ role: 'broker', file, set, overrides, env: {}, cwd: io.cwd })
  const settings: StoreSettings = { ...resolved.config, storePathRootDir: root }
  const like = isNew ? (source instanceof StoreSource ? source.store : undefined) : openStore(root)
  const isSaid = (key: string) => ['file', 'set'].includes(resolved.origins.get(key)?.kind ?? '')
  if (isNew || !isSaid('storePathCommitLog')) settings.storePathCommitLog = join(root, 'commitlog')
  if (like === undefined) return settings
  for (const key of GEOMETRY) if (!isSaid(key)) settings[key] = like.settings[key]
  if (!isNew) settings.enableConsumeQueueExt ||= like.files.queues.some(({ extSizes }) => extSizes.length > 0)
  return settings
}

/** What recovery of the target has to say. */
function tellingLog(io: Io): Log {
  const tell = (message: string) => io.error(`${message}\n`)
  return { info() {}, warn: tell, error: tell }
}

const plural = (number: number, name: string) => `${count(number)} ${name}${number === 1 ? '' : 's'}`

function builtText(built: Built, root: string): string {
  const { records, isNew, log, queues, renumbered, skipped, leftOut, delayed, ms } = built
  const passed = [
    skipped === 0 ? '' : `${count(skipped)} records were passed over: no queue can be made of them\n`,
    leftOut === 0 ? '' : `${count(leftOut)} records of deleted topics were left out\n`,
  ].join('')
  if (records === 0) return `${passed}no message is wanted: nothing was written\n`
  const rate = `${count(Math.round(records / Math.max(ms / 1000, 0.001)))}/s`
  const what = `${plural(records, 'message')} of ${plural(queues, 'queue')} into ${isNew ? 'a new store' : 'the store'} ${root}`
  let text = `${passed}${what}, log ${count(log.from)} to ${count(log.end)}, ${rate}\n`
  for (const { topic, queueId, first, next, base, count: messages, isContiguous } of renumbered.slice(
    0,
    DAMAGE_SHOWN,
  )) {
    const why = isContiguous ? 'it has messages of its own' : 'not all of its messages are there'
    const last = base + messages - 1
    text += `queue offsets of ${topic}/${queueId} are new: ${first} to ${next - 1} are ${base} to ${last} now; ${why}\n`
  }
  if (renumbered.length > DAMAGE_SHOWN) text += `… and of ${count(renumbered.length - DAMAGE_SHOWN)} more queues\n`
  if (delayed > 0)
    text += `${count(delayed)} delayed messages will be delivered, also those that were: leave SCHEDULE_TOPIC_XXXX out if they are not wanted\n`
  return text
}

function builtJson({ renumbered, ...rest }: Built): Record<string, unknown> {
  const queues = renumbered.map(({ topic, queueId, first, next, base, count: messages }) => {
    return { topic, queueId, first, next, base, count: messages }
  })
  return { ...rest, renumbered: queues }
}

export function damageText(damage: readonly LogDamage[]): string {
  let text = ''
  for (const { from, to, problem } of damage.slice(0, DAMAGE_SHOWN))
    text += `passed over: ${count(to - from)} bytes at ${count(from)}: ${problem}\n`
  if (damage.length > DAMAGE_SHOWN) text += `… and ${count(damage.length - DAMAGE_SHOWN)} more places\n`
  return text
}
