/** Topics as bars, each cut into what is unread, waiting, consumed …; the largest first. */
import { type Chart, group, rect, text } from '../../bench/report/svg.ts'
import { KIND_TEXTS, KINDS, type KindBytes } from './kinds.ts'
import { bytes, percent, whole } from './numbers.ts'
import type { StoreMap } from './store-map.ts'

export const TOPICS_MAX = 12
const BAR = 16

interface Bar {
  name: string
  size: number
  kinds: Partial<KindBytes>
}

export function topicBars({ topics }: StoreMap): Bar[] {
  const bars = topics.slice(0, TOPICS_MAX).map(({ topic, bytes: size, kinds, isDeleted }) => ({
    name: isDeleted ? `${topic} (deleted)` : topic,
    size,
    kinds,
  }))
  const rest = topics.slice(TOPICS_MAX)
  if (rest.length === 0) return bars
  const kinds: Partial<KindBytes> = {}
  for (const each of rest) for (const kind of KINDS) kinds[kind] = (kinds[kind] ?? 0) + (each.kinds[kind] ?? 0)
  return [...bars, { name: `${whole(rest.length)} more`, size: rest.reduce((sum, each) => sum + each.bytes, 0), kinds }]
}

export function topicsChart(map: StoreMap, { width, id }: { width: number; id: string }): Chart {
  const bars = topicBars(map)
  const isNarrow = width < 600
  const left = isNarrow ? 0 : 270
  const right = 130
  const pitch = isNarrow ? 42 : 28
  const room = width - left - right
  const total = Math.max(
    1,
    map.topics.reduce((sum, each) => sum + each.bytes, 0),
  )
  const largest = Math.max(1, ...bars.map(({ size }) => size))
  const lettersMax = isNarrow ? 46 : 36
  const body = bars.map(({ name, size, kinds }, i) => {
    const y = i * pitch + (isNarrow ? 18 : 4)
    const wide = Math.max(2, (room * size) / largest)
    const said = `${bytes(size)}, ${percent(size / total)}`
    const label = isNarrow
      ? text(0, y - 4, cut(name, lettersMax), 't')
      : text(left - 12, y + BAR - 4, cut(name, lettersMax), 't', 'end')
    return group({}, label, ...parts(kinds, size, left, y, wide), text(left + wide + 8, y + BAR - 4, said, 'm'))
  })
  return {
    id,
    title: 'Space by topic',
    description: bars.map(({ name, size }) => `${name} ${bytes(size)}`).join(', '),
    width,
    height: bars.length * pitch + (isNarrow ? 4 : 8),
    body: body.join(''),
  }
}

function parts(kinds: Partial<KindBytes>, size: number, x: number, y: number, width: number): string[] {
  let at = x
  return KINDS.filter((kind) => (kinds[kind] ?? 0) > 0).map((kind) => {
    const each = kinds[kind]!
    const wide = (width * each) / size
    at += wide
    return rect(
      at - wide,
      y,
      Math.max(1, wide),
      BAR,
      { class: `f-${kind}` },
      `${KIND_TEXTS[kind].label}: ${bytes(each)}`,
    )
  })
}

/** In the middle: names differ at both ends. */
function cut(name: string, most: number): string {
  if (name.length <= most) return name
  const front = Math.ceil((most - 1) / 2)
  return `${name.slice(0, front)}…${name.slice(name.length - (most - 1 - front))}`
}
