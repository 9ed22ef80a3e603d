/** What a comparison comes to, in words, and what to do about it. */
import { bytesOf, type Difference, type StoreDiff } from '../../inspect/diff/index.ts'
import { bytesText, count, timeText } from '../table.ts'

export function diffMeaning(diff: StoreDiff): string[] {
  const lines = meaningOf(diff)
  if (diff.log.uncompared.length > 0)
    lines.push(
      `${bytesText(bytesOf(diff.log.uncompared))} could not be compared: a hash of it covers more, or its file is gone.`,
    )
  return lines
}

function meaningOf(diff: StoreDiff): string[] {
  switch (diff.verdict) {
    case 'equal':
      return ['EQUAL.']
    case 'behind':
      return ['BEHIND, and the same as far as both go.', ...behindLines(diff)]
    case 'parted':
      return partedLines(diff)
    case 'damaged':
      return damagedLines(diff)
    case 'altered':
      return alteredLines(diff)
    case 'queues':
      return [
        'QUEUES DIFFER: the logs are the same where both have them, the ConsumeQueues are not.',
        'Queues follow from the log: verify both, and on the one that is not whole move consumequeue/ away and start its broker.',
      ]
    case 'apart':
      return [
        'APART: there is no offset of the log that both have.',
        'One of the two is older than all that the other still has, or is another store.',
      ]
  }
}

/** One line for each range that one has alone: older, newer, or between. */
function behindLines({ onlyA, onlyB, log }: StoreDiff): string[] {
  const first = log.both[0]?.from ?? Number.POSITIVE_INFINITY
  const lines: string[] = []
  for (const [has, lacks, ranges] of [
    ['A', 'B', onlyA],
    ['B', 'A', onlyB],
  ] as const) {
    for (const { from, to, counted } of ranges) {
      const size = amount(to - from, counted?.records)
      if (to <= first)
        lines.push(
          `${lacks} begins later than ${has}, at ${count(to)}: ${size} that retention took there, or that it was never given.`,
        )
      else
        lines.push(
          `${lacks} is behind ${has} by ${size}. If ${lacks} is a slave of ${has}, it fetches them when it is connected; until then ${has} must not be lost.`,
        )
    }
  }
  return lines
}

const amount = (bytes: number, records: number | undefined) =>
  `${count(bytes)} bytes${records === undefined ? '' : ` (${count(records)} message${records === 1 ? '' : 's'})`}`

function partedLines({ a, b, parted }: StoreDiff): string[] {
  if (parted === undefined) return ['PARTED.']
  const { from } = parted
  const lines = [`PARTED at ${count(from)}: below, both are the same; from there on each has its own messages.`]
  for (const [letter, side, counted] of [
    ['A', a, parted.a],
    ['B', b, parted.b],
  ] as const) {
    const hosts = counted === undefined || counted.hosts.length === 0 ? '' : ` by ${counted.hosts.join(', ')}`
    const times = counted === undefined ? '' : `, ${timeText(counted.firstTime)} to ${timeText(counted.lastTime)}`
    lines.push(`  ${letter} has ${amount(side.end - from, counted?.records)} there, stored${hosts}${times}.`)
  }
  lines.push(
    'Both were acknowledged to producers, by the brokers named: neither is garbage. A slave of RocketMQ does not notice, and goes on',
    'behind the parting. What to do: decide which of the two goes on serving, stop the other one, and save what only it has:',
    `  basaltmq inspect export OTHER --from ${from} -o parted.jsonl`,
    '  basaltmq inspect import parted.jsonl -n NAMESRV        (sends them to the one that serves; consumers may see some twice)',
    'then empty the other store, and let it fill again from the one that serves.',
  )
  return lines
}

function damagedLines({ differences, log, a, b }: StoreDiff): string[] {
  const lines = ['DAMAGED: they differ where records are not whole, or a file is missing.']
  const broken = differences.filter(({ kind }) => kind === 'damaged')
  const isBroken = (side: 'a' | 'b') => (each: Difference) => each[side]?.problem !== undefined
  const [inA, inB] = [broken.filter(isBroken('a')).length, broken.filter(isBroken('b')).length]
  if (inA > 0) lines.push(`A is damaged in ${inA} of ${broken.length} places; there B has ${wholeText(broken, 'b')}.`)
  if (inB > 0) lines.push(`B is damaged in ${inB} of ${broken.length} places; there A has ${wholeText(broken, 'a')}.`)
  const sealed = differences.filter(({ kind }) => kind === 'sealed').length
  if (sealed > 0) lines.push(`In ${sealed} places one side's recovery has given records up and put fillers there.`)
  const first = broken[0]
  if (inA > 0 !== inB > 0 && first !== undefined) {
    const [bad, good] = inA > 0 ? [a, b] : [b, a]
    const segment = first.from - (first.from % bad.segmentSize)
    const name = String(segment).padStart(20, '0')
    lines.push(
      `Stop the broker of the damaged store, keep a copy of the file, and copy commitlog/${name} from ${good.name} to ${bad.name}.`,
    )
  }
  if (log.both.length > 1)
    lines.push(
      'Between two files of the log one is missing: copy it from the store that has it, with the broker stopped.',
    )
  return lines
}

const wholeText = (broken: readonly Difference[], side: 'a' | 'b') =>
  broken.every((each) => each[side]?.problem === undefined) ? 'whole records' : 'no whole records everywhere either'

function alteredLines({ differences }: StoreDiff): string[] {
  const byHash = differences.filter(({ isExact }) => !isExact).length
  if (byHash > 0)
    return [
      `DIFFERENT: the hashes of ${byHash} ranges differ. Which records those are is told where both can be read; "inspect verify" tells`,
      'on each machine whether its store is whole. (The last blocks of a file may differ behind its blank, which means nothing.)',
    ]
  const fields = [...new Set(differences.flatMap((each) => each.fields))].join(', ')
  return [
    `ALTERED: in ${count(differences.length)} place${differences.length === 1 ? '' : 's'} both have the same message, and not the same ${fields === '' ? 'bytes' : fields}.`,
    'No CRC covers that. Compare with a third replica, or with the producer; the broker that wrote the record is named in it.',
  ]
}
