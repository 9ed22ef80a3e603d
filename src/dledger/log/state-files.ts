/**
 * currterm, checkpoint and begin: small Java properties texts, each whole and on disk before anybody relies on it.
 *
 *   currterm     currTerm, voteLeader                    as the original's, read and written by both
 *   checkpoint   committedIndex, endIndex, writtenBy     the original leaves `writtenBy` out: then the committed index was counted
 *                                                        by its rules, which are weaker, and is not believed
 *   basalt/begin beginIndex, beginPos, state             where the log begins inside its first file; the original does not persist it
 *
 * The original renames without a sync and deletes the file first: after its crash only `.bak` and `.tmp` may be there. Whatever whole
 * one has the largest term is taken, so that no vote is forgotten that can be known.
 * Source: spec/dledger.md §2.4. Blocks on: the disk (loading); writing is done by the pool.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { mkdir, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StoreError } from '../../errors.ts'
import { writeDurably } from '../../store/metadata/durable-file.ts'

export interface TermState {
  term: number
  voteFor: string | undefined
}

export interface Checkpoint {
  endIndex: number
  committedIndex: number
}

export interface BeginState {
  index: number
  pos: number
  /** Its entry is on disk: what lies before it is not the log's any more. */
  isDone: boolean
}

const OWN = 'basalt'

export class StateFiles {
  private readonly folder: string
  private readonly ownFolder: string

  constructor(folder: string, ownFolder: string) {
    this.folder = folder
    this.ownFolder = ownFolder
  }

  loadTerm(): TermState {
    const path = join(this.folder, 'currterm')
    const found = [path, `${path}.tmp`, `${path}.bak`].map((it) => readTerm(it)).filter((it) => it !== undefined)
    const best = found.reduce((a, b) => (b.term > a.term ? b : a), found[0] ?? { term: 0, voteFor: undefined })
    if (found.length === 0 && read(path) !== undefined)
      throw new StoreError('BAD_TERM_FILE', {
        what: 'the file of term and vote cannot be read: whoever starts without it might vote twice',
        where: path,
        todo: 'restore it; or remove the whole folder of this member, so that it is filled again by the others',
      })
    return best
  }

  saveTerm(state: TermState): Promise<void> {
    const text = properties({ voteLeader: state.voteFor ?? '', currTerm: state.term })
    return writeSoon(join(this.folder, 'currterm'), text)
  }

  /** Undefined where none was written by us. */
  loadCheckpoint(): Checkpoint | undefined {
    const values = parseProperties(read(join(this.folder, 'checkpoint')) ?? '')
    const committedIndex = whole(values.get('committedIndex'))
    if (values.get('writtenBy') !== OWN || committedIndex === undefined) return undefined
    return { committedIndex, endIndex: whole(values.get('endIndex')) ?? -1 }
  }

  saveCheckpoint(checkpoint: Checkpoint): Promise<void> {
    const { committedIndex, endIndex } = checkpoint
    return writeSoon(join(this.folder, 'checkpoint'), properties({ committedIndex, endIndex, writtenBy: OWN }))
  }

  loadBegin(): BeginState | undefined {
    const values = parseProperties(read(join(this.ownFolder, 'begin')) ?? '')
    const index = whole(values.get('beginIndex'))
    const pos = whole(values.get('beginPos'))
    return index === undefined || pos === undefined ? undefined : { index, pos, isDone: values.get('state') === 'done' }
  }

  /** At once: it is one step of a truncation, which nothing may overtake. */
  saveBegin({ index, pos, isDone }: BeginState): void {
    mkdirSync(this.ownFolder, { recursive: true })
    const text = properties({ beginIndex: index, beginPos: pos, state: isDone ? 'done' : 'begun' })
    writeDurably(join(this.ownFolder, 'begin'), text)
  }
}

/** The file has its former content or this one, whatever happens; this one when the promise is kept. */
export async function writeSoon(path: string, text: string): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true })
  const handle = await open(`${path}.tmp`, 'w', 0o644)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(`${path}.tmp`, path)
  const directory = await open(folder, 'r')
  await directory.sync().finally(() => directory.close())
}

function readTerm(path: string): TermState | undefined {
  const text = read(path)
  // A torn one may lack digits.
  if (text === undefined || !text.endsWith('\n')) return undefined
  const values = parseProperties(text)
  const term = whole(values.get('currTerm'))
  const voteFor = values.get('voteLeader')
  if (term === undefined || voteFor === undefined) return undefined
  return { term, voteFor: voteFor === '' ? undefined : voteFor }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** The part of Java's properties that occurs here: `key=value` lines, comments, a backslash before any character. */
export function parseProperties(text: string): Map<string, string> {
  const values = new Map<string, string>()
  for (const line of text.split('\n')) {
    const parts = /^\s*([^#!=:\s][^=:\s]*)\s*[=:]\s*(.*?)\r?$/.exec(line)
    if (parts !== null) values.set(parts[1], parts[2].replace(/\\(.)/g, '$1'))
  }
  return values
}

function properties(values: Record<string, string | number>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${String(value).replace(/\\/g, '\\\\')}\n`)
    .join('')
}

function whole(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,15}$/.test(text) ? Number(text) : undefined
}
