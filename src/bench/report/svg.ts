/**
 * SVG as text: shapes with classes, and a frame that a screen reader can read. Colours are in style.ts, by class.
 *
 * Invariant: every text goes through escaped(); widths of texts are estimated for the widest fonts in use, so that what fits here
 * fits in a reader's browser.
 */
export type Attributes = Readonly<Record<string, string | number | undefined>>

export interface Chart {
  /** Unique in its page. */
  readonly id: string
  readonly title: string
  /** What a person would see in it. */
  readonly description: string
  readonly width: number
  readonly height: number
  readonly body: string
}

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

export function element(name: string, attributes: Attributes, content = ''): string {
  const given = Object.entries(attributes).filter(([, value]) => value !== undefined)
  const written = given.map(([key, value]) => ` ${key}="${typeof value === 'number' ? round(value) : escaped(value!)}"`)
  return content === '' ? `<${name}${written.join('')}/>` : `<${name}${written.join('')}>${content}</${name}>`
}

const round = (value: number) => String(Math.round(value * 10) / 10)

/** `head` goes before everything drawn: a style, a background. */
export function svg(chart: Chart, head = '', attributes: Attributes = {}): string {
  const { id, title, description, width, height } = chart
  const names = { role: 'img', 'aria-labelledby': `${id}-title ${id}-description` }
  const told =
    element('title', { id: `${id}-title` }, escaped(title)) +
    element('desc', { id: `${id}-description` }, escaped(description))
  const frame = { viewBox: `0 0 ${round(width)} ${round(height)}`, width, height, ...names, ...attributes }
  return element('svg', frame, told + head + chart.body)
}

export const group = (attributes: Attributes, ...parts: readonly string[]): string =>
  element('g', attributes, parts.join(''))

/** With a `tip` that shows under the pointer. */
const tipped = (tip: string | undefined) => (tip === undefined ? '' : element('title', {}, escaped(tip)))

export const rect = (
  x: number,
  y: number,
  width: number,
  height: number,
  attributes: Attributes,
  tip?: string,
): string => element('rect', { x, y, width: Math.max(width, 0), height, ...attributes }, tipped(tip))

export const circle = (cx: number, cy: number, r: number, attributes: Attributes, tip?: string): string =>
  element('circle', { cx, cy, r, ...attributes }, tipped(tip))

export const line = (x1: number, y1: number, x2: number, y2: number, kind: string): string =>
  element('line', { x1, y1, x2, y2, class: kind })

export function path(points: readonly (readonly [number, number])[], kind: string): string {
  const d = points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join('')
  return element('path', { d, class: kind })
}

export type Anchor = 'start' | 'middle' | 'end'

/** `y` is the base line. */
export const text = (x: number, y: number, content: string, kind = 't', anchor: Anchor = 'start'): string =>
  element('text', { x, y, class: kind, 'text-anchor': anchor === 'start' ? undefined : anchor }, escaped(content))

/** Of the widest of the fonts that a browser may take (DejaVu Sans). */
export const textWidth = (content: string, size = 12, isBold = false): number =>
  content.length * size * (isBold ? 0.7 : 0.62)

/**
 * Middles of labels that want to be at `wanted`, moved apart to `gap` with their order kept, all within [low, high] as far as there
 * is room.
 */
export function spread(wanted: readonly number[], gap: number, low: number, high: number): number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => wanted[a] - wanted[b])
  const placed = order.map((index) => Math.min(Math.max(wanted[index], low), high))
  for (let index = 1; index < placed.length; index++) placed[index] = Math.max(placed[index], placed[index - 1] + gap)
  const last = placed.length - 1
  if (placed[last] > high) placed[last] = high
  for (let index = last - 1; index >= 0; index--) placed[index] = Math.min(placed[index], placed[index + 1] - gap)
  const result = new Array<number>(wanted.length)
  order.forEach((index, rank) => {
    result[index] = placed[rank]
  })
  return result
}
