/** `inspect export`: messages of a store as lines of JSON, or as a store of their own. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import type { Command } from 'commander'
import { ConfigError } from '../../errors.ts'
import { lineOf, StoreSource } from '../../inspect/export/index.ts'
import { logBounds } from '../../inspect/log-end.ts'
import { syncFolder } from '../../store/metadata/durable-file.ts'
import { ExitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { bytesText, count } from '../table.ts'
import { buildAt, damageText } from './build-target.ts'
import { type StoreFlags, storeCommand, storeOf } from './common.ts'
import { ProgressBar } from './progress-bar.ts'
import { type FilterFlags, filterOptions, queryOf } from './record-filters.ts'

const HELP = `
Lines: one message each, as it is stored (a compressed body stays so), with everything that a record holds. --to-store makes a store
of its own: log, ConsumeQueues, index, checkpoint, topics, groups, offsets; queue offsets are kept where they follow one another.
A broker may run on STORE; what it appends meanwhile is left out. What is damaged is passed over and said.

Exit status: 0 done, 3 done but for what is damaged, 1 failure, 2 usage or no store.

Examples:
  $ basaltmq inspect export store --topic Orders -o orders.jsonl
  $ basaltmq inspect export store --after "2026-11-23 09:00" | jq .body
  $ basaltmq inspect export store --topic Orders --to-store /data/orders
`

const DAMAGED = 3
const CHUNK = 256 * 1024

interface ExportFlags extends StoreFlags, FilterFlags {
  output?: string
  toStore?: string
}

export function exportCommand(parent: Command, io: Io): void {
  filterOptions(storeCommand(parent, 'export', 'messages as lines of JSON, or as a store of their own'))
    .option('-o, --output <file>', 'lines into this file')
    .option('--to-store <folder>', 'a new store of them; the folder does not exist, or is empty')
    .addHelpText('after', HELP)
    .action(async (path: string, flags: ExportFlags) => {
      if (flags.output !== undefined && flags.toStore !== undefined)
        throw new ConfigError('BAD_OPTION', { what: '-o and --to-store are both given', todo: 'give one of them' })
      const query = queryOf(flags)
      const store = storeOf(io, path, flags)
      const source = new StoreSource(store, query, logBounds(store, false).end)
      try {
        if (flags.toStore !== undefined) await buildAt(io, flags.toStore, source, flags, { mustBeNew: true })
        else await exportLines(io, source, flags.output)
        if (source.damage.length > 0) throw new ExitStatus(DAMAGED)
      } finally {
        source.close()
      }
    })
}

async function exportLines(io: Io, source: StoreSource, output: string | undefined): Promise<void> {
  const path = output === undefined || isAbsolute(output) ? output : join(io.cwd, output)
  const sink = path === undefined ? new PrintSink(io) : new FileSink(path)
  // On a terminal the lines themselves show how far it is.
  const bar = new ProgressBar(path === undefined ? { ...io, isTerminal: false } : io)
  let lines = 0
  try {
    for (const item of source.records()) {
      if (item === undefined) {
        bar.show(source.progress(), source.total)
        await new Promise(setImmediate)
        continue
      }
      sink.write(lineOf(item.record, item.bytes))
      lines += 1
    }
    sink.end()
  } catch (error) {
    sink.abandon()
    throw error
  } finally {
    bar.clear()
  }
  io.error(damageText(source.damage))
  if (path !== undefined) io.error(`${count(lines)} messages, ${bytesText(sink.bytes)}\n`)
}

class PrintSink {
  bytes = 0
  private readonly io: Io
  private text = ''

  constructor(io: Io) {
    this.io = io
  }

  write(line: string): void {
    this.text += line
    if (this.text.length >= CHUNK) this.end()
  }

  end(): void {
    if (this.text !== '') this.io.out(this.text)
    this.text = ''
  }

  abandon(): void {
    this.end()
  }
}

/** Under its name only when it is whole and on disk. */
class FileSink {
  bytes = 0
  private readonly path: string
  private readonly unfinished: string
  private readonly fd: number
  private isOpen = true
  private text = ''

  constructor(path: string) {
    this.path = path
    this.unfinished = `${path}.part`
    this.fd = openSync(this.unfinished, 'w')
  }

  write(line: string): void {
    this.text += line
    if (this.text.length >= CHUNK) this.flush()
  }

  end(): void {
    this.flush()
    fsyncSync(this.fd)
    this.close()
    renameSync(this.unfinished, this.path)
    syncFolder(dirname(this.path))
  }

  abandon(): void {
    this.close()
    rmSync(this.unfinished, { force: true })
  }

  private close(): void {
    if (!this.isOpen) return
    this.isOpen = false
    closeSync(this.fd)
  }

  private flush(): void {
    const bytes = Buffer.from(this.text)
    for (let at = 0; at < bytes.length; ) at += writeSync(this.fd, bytes, at)
    this.bytes += bytes.length
    this.text = ''
  }
}
