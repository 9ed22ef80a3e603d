/**
 * What a member of a DLedger group keeps beside its log: term and vote, up to where it knew its log to be committed, where the log
 * begins inside its first file.
 *
 * Format: spec/dledger.md §2.4. Nothing here throws: a file that is no such file is a problem in words.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseProperties } from '../dledger/log/state-files.ts'
import { FOLDERS } from '../store/settings.ts'
import { tryRead } from './try-read.ts'

export interface MemberState {
  id: string
  folder: string
  /** Undefined where currterm says none. */
  term: number | undefined
  voteFor: string | undefined
  /** By its checkpoint, which is written now and then; −1: none. */
  committedIndex: number
  endIndex: number
  /** By a member of ours: synced before it counted. */
  isOwnCheckpoint: boolean
  /** Where the log begins, if that is not the start of its first file. */
  begin: { index: number; position: number } | undefined
  problems: { file: string; what: string }[]
}

const OWN = 'basalt'

export function memberState({ id, folder }: { id: string; folder: string }): MemberState {
  const problems: MemberState['problems'] = []
  const read = (name: string) => tryRead(() => readFileSync(join(folder, name), 'utf8'))
  const term = read('currterm')
  const checkpoint = read('checkpoint')
  const terms = parseProperties(term ?? '')
  const indexes = parseProperties(checkpoint ?? '')
  const begins = parseProperties(read(join(FOLDERS.own, 'begin')) ?? '')
  const currTerm = whole(terms.get('currTerm'))
  const voteLeader = terms.get('voteLeader')
  const tell = (name: string, what: string) => problems.push({ file: join(folder, name), what })
  if (term === undefined) tell('currterm', 'there is none: a member that starts without it may vote twice in a term')
  else if (currTerm === undefined || currTerm < 0 || voteLeader === undefined)
    tell('currterm', 'it does not say a term and a vote: a member that starts without them may vote twice in a term')
  const committed = whole(indexes.get('committedIndex'))
  const end = whole(indexes.get('endIndex'))
  if (checkpoint !== undefined && (committed === undefined || end === undefined || committed < -1))
    tell('checkpoint', 'it does not say the committed and the last entry')
  const beginIndex = whole(begins.get('beginIndex'))
  const position = whole(begins.get('beginPos'))
  const isBegun = begins.get('state') === 'done' && beginIndex !== undefined && position !== undefined
  return {
    id,
    folder,
    term: currTerm,
    voteFor: voteLeader === '' ? undefined : voteLeader,
    committedIndex: committed ?? -1,
    endIndex: end ?? -1,
    isOwnCheckpoint: indexes.get('writtenBy') === OWN,
    begin: isBegun ? { index: beginIndex, position } : undefined,
    problems,
  }
}

function whole(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,15}$/.test(text) ? Number(text) : undefined
}
