/**
 * What request 318 changed, kept in `configStorePath` and taken over at the next start.
 *
 * Only keys that may change while the server runs are written and read: none of them is a path, an address or a command
 * (CVE-2023-37582: an unauthenticated update of paths wrote arbitrary files).
 */
import { formatProperties, KEYS, type NamesrvConfig, parseProperties, parseValue, type Value } from '../config/index.ts'
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'
import { DurableFile } from './durable-file.ts'

const LIVE = Object.entries(KEYS.namesrv).filter(([, key]) => key.live)

export class StoredConfig {
  private readonly config: NamesrvConfig
  private readonly file: DurableFile | undefined
  private readonly log: Log

  constructor(config: NamesrvConfig, log: Log) {
    this.config = config
    this.file = config.configStorePath === '' ? undefined : new DurableFile(config.configStorePath)
    this.log = log
  }

  /** A file that cannot be read as properties, or holds a bad value, is kept aside; its .bak serves. */
  async load(): Promise<void> {
    const found = await this.file?.load(readLive, (path, error) =>
      this.log.error(
        `stored configuration ${path} is damaged (${describe(error)}): kept as ${path}.damaged, trying .bak`,
      ),
    )
    Object.assign(this.config, Object.fromEntries(found ?? []))
  }

  /** Resolves when the present values are on disk; at once where there is no file. */
  save(): Promise<void> {
    return this.file?.save(() => this.text()) ?? Promise.resolve()
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    await this.file?.settled()
  }

  private text(): string {
    const values = this.config as unknown as Record<string, Value>
    const changed = LIVE.filter(([name, key]) => values[name] !== key.value)
    return formatProperties(changed.map(([name]) => [name, String(values[name])] as const))
  }
}

/** Throws ConfigError BAD_ESCAPE or BAD_VALUE. */
function readLive(text: string): [string, Value][] {
  const given = new Map(parseProperties(text).map(({ key, value }) => [key, value]))
  return LIVE.filter(([name]) => given.has(name)).map(([name, key]) => {
    return [name, parseValue(name, key, given.get(name)!, 'stored configuration')]
  })
}
