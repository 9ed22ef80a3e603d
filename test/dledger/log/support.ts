/** Logs in folders of their own, and the stores of the vectors. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DLedgerLog, type LogSettings, logSettings } from '../../../src/dledger/log/index.ts'
import type { DLedgerEntry } from '../../../src/dledger/wire/index.ts'
import { silentLog } from '../../../src/log.ts'

const VECTORS = fileURLToPath(new URL('../../vectors/dledger-0.3.1.2/store/', import.meta.url))
const folders: string[] = []

export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-dledger-'))
  folders.push(folder)
  return folder
}

export function removeScratch(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
}

/** Small files, as those of the vectors. */
export const SMALL: Partial<LogSettings> = { fileSize: 65_536, indexFileSize: 8192 }

export function settingsIn(folder: string, changes: Partial<LogSettings> = {}, id = 'n0'): LogSettings {
  return logSettings(join(folder, `dledger-${id}`), { ...SMALL, ...changes })
}

export function openLog(settings: LogSettings): DLedgerLog {
  return new DLedgerLog(settings, silentLog)
}

/** Unpacks a store of the vectors; the folder of its member. */
export function unpack(name: string): string {
  const folder = scratch()
  execFileSync('tar', ['xzf', join(VECTORS, `${name}.tar.gz`), '-C', folder])
  const all = readdirSync(folder, { recursive: true }) as string[]
  const member = all.find((it) => /(^|\/)dledger-n\d$/.test(it))
  return join(folder, member!)
}

export function lines<T>(name: string): T[] {
  const text = readFileSync(join(VECTORS, name), 'utf8')
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T)
}

/** SHA-256 of each file of a folder. */
export function digests(folder: string): Record<string, string> {
  mkdirSync(folder, { recursive: true })
  const names = readdirSync(folder).sort()
  return Object.fromEntries(
    names.map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex'),
    ]),
  )
}

export function entry(index: number, term: number, pos: number, body: Uint8Array): DLedgerEntry {
  return { magic: 1, size: 48 + body.length, index, term, pos, channel: 0, chainCrc: 0, bodyCrc: 0, body }
}
