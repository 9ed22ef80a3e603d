/**
 * What a byte of a log can be, from the most pressing to the least: the order of every picture and table. Each byte of each
 * file is of one kind.
 */
export const KINDS = [
  'damaged',
  'undispatched',
  'unread',
  'waiting',
  'nobody',
  'consumed',
  'garbage',
  'blank',
  'free',
] as const

export type Kind = (typeof KINDS)[number]

export interface KindTexts {
  label: string
  /** For legends and tables. */
  meaning: string
  /** One character of a terminal without colours, or of a file. */
  glyph: string
}

export const KIND_TEXTS: Record<Kind, KindTexts> = {
  damaged: { label: 'damaged', meaning: 'no records where records must be: see "inspect verify"', glyph: '!' },
  undispatched: {
    label: 'not dispatched',
    meaning: 'in the log, and in no queue yet: no consumer sees it',
    glyph: '+',
  },
  unread: { label: 'unread', meaning: 'not consumed by at least one group that reads its topic', glyph: '█' },
  waiting: { label: 'waiting', meaning: 'delayed and not due, or half of a transaction', glyph: '▓' },
  nobody: { label: 'no group', meaning: 'no group has an offset of its topic', glyph: '▒' },
  consumed: { label: 'consumed', meaning: 'below the offset of the slowest group of its queue', glyph: '░' },
  garbage: {
    label: 'garbage',
    meaning: 'no queue leads there: topics that were deleted, queues that were lost',
    glyph: 'x',
  },
  blank: { label: 'blank end', meaning: 'ends of files in which the next record had no room', glyph: '_' },
  free: { label: 'free', meaning: 'made ahead, nothing written yet', glyph: '·' },
}

export const kindIndex = (kind: Kind): number => KINDS.indexOf(kind)

/** A number for each kind. */
export type KindBytes = Record<Kind, number>

export function noBytes(): KindBytes {
  return Object.fromEntries(KINDS.map((kind) => [kind, 0])) as KindBytes
}

/** Of the log itself; the rest is room. */
export const isContent = (kind: Kind): boolean => kind !== 'free'
