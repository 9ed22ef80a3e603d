/**
 * The map as one HTML page that needs nothing else: what it means in four tiles, topics, the log with its cells under the
 * pointer or the arrow keys, and tables with every figure.
 *
 * Invariant: names from the store reach the page escaped, in the markup and in the script's data.
 */
import { details, htmlDocument, htmlTable, legend, responsive, section } from '../../bench/report/page.ts'
import { escaped, rect } from '../../bench/report/svg.ts'
import { MAP_PAGE_STYLE, TOPIC_COLOURS } from './colours.ts'
import { KIND_TEXTS, KINDS, type KindBytes } from './kinds.ts'
import { COLUMNS, colouredTopics, logChart, pattern, ROWS_MAX } from './log-chart.ts'
import { bytes, percent, place, whole } from './numbers.ts'
import { type Column, rowsOf } from './rows.ts'
import { MAP_SCRIPT } from './script.ts'
import type { StoreMap } from './store-map.ts'
import { dayTime, shortPath, stateText, told } from './told.ts'
import { topicsChart } from './topics-chart.ts'

const WIDE = 1120
const NARROW = 340

export function mapPage(map: StoreMap): string {
  return htmlDocument({
    title: shortPath(map.root),
    sub: [
      shortPath(map.root) === map.root ? '' : map.root,
      `${stateText(map)}; looked at ${dayTime(map.at)}`,
      logLine(map),
    ],
    notice: '',
    lead: '',
    before: tiles(map) + notes(map),
    sections: [topicsSection(map), logSection(map), groupsSection(map), filesSection(map)],
    footer: [marksLine(map), 'basaltmq inspect map: read-only, sizes by the ConsumeQueues.'],
    style: MAP_PAGE_STYLE,
    script: MAP_SCRIPT,
  })
}

function logLine({ log }: StoreMap): string {
  const stored = log.firstTime <= 0 ? 'no records' : `stored ${dayTime(log.firstTime)} to ${dayTime(log.lastTime)}`
  const disk = `on disk: log ${bytes(log.allocated)}, queues ${bytes(log.queuesAllocated)}, index ${bytes(log.indexAllocated)}`
  return `offsets ${whole(log.min)} to ${whole(log.end)}, files of ${bytes(log.segmentSize)}; ${stored}; ${disk}`
}

function marksLine({ flushed, dispatched }: StoreMap): string {
  const mark = ({ offset, source }: StoreMap['flushed']) =>
    `${offset === undefined ? 'unknown' : whole(offset)} (${source})`
  return `flushed ${mark(flushed)}; dispatched ${mark(dispatched)}`
}

function tiles(map: StoreMap): string {
  const each = told(map).map(({ title, value, detail, isBad }) => {
    const kind = isBad ? ' is-bad' : title === 'unread' && map.kinds.unread > 0 ? ' t-unread' : ''
    return `<div class="tile${kind}"><span>${escaped(title)}</span><b>${escaped(value)}</b><p>${escaped(detail)}</p></div>`
  })
  return `<div class="tiles">${each.join('')}</div>`
}

function notes({ notes: list }: StoreMap): string {
  return list.length === 0 ? '' : `<ul class="notes">${list.map((note) => `<li>${escaped(note)}</li>`).join('')}</ul>`
}

function topicsSection(map: StoreMap): string {
  if (map.topics.length === 0) return ''
  const present = KINDS.filter((kind) => map.topics.some(({ kinds }) => (kinds[kind] ?? 0) > 0))
  const rows = map.topics.map(({ topic, bytes: size, kinds, isDeleted }) => [
    isDeleted ? `${topic} (deleted)` : topic,
    bytes(size),
    ...present.map((kind) => figure(kinds[kind])),
  ])
  const heads = ['topic', 'in the log', ...present.map((kind) => KIND_TEXTS[kind].label)]
  return section(
    'Where the space is',
    'Bytes of records by topic; colours as below.',
    responsive(
      topicsChart(map, { width: WIDE, id: 'topics' }),
      topicsChart(map, { width: NARROW, id: 'topics-narrow' }),
    ),
    details(`every topic (${whole(rows.length)})`, htmlTable(heads, rows)),
  )
}

function logSection(map: StoreMap): string {
  if (map.segments.length === 0) return section('The log', 'There are no files.')
  const rows = rowsOf(map, ROWS_MAX, COLUMNS)
  const perRow = rows[0]?.segments.length ?? 1
  const about = `Oldest first; ${perRow === 1 ? 'a row is a file' : `a row has ${perRow} files`}, a column ${bytes(rows[0]?.columns[0]?.bytes ?? 0)}.`
  const kindItems = KINDS.filter((kind) => map.kinds[kind] > 0).map((kind) => ({
    name: `${KIND_TEXTS[kind].label}: ${KIND_TEXTS[kind].meaning} (${bytes(map.kinds[kind])})`,
    mark: kind === 'free' ? rect(4.5, 1.5, 17, 11, { class: 'frame' }) : rect(4, 1, 18, 12, { class: `f-${kind}` }),
  }))
  const topicItems = colouredTopics(map).map((name, i) => ({ name, mark: rect(4, 1, 18, 12, { class: `t-${i}` }) }))
  if (map.topics.length > topicItems.length) {
    topicItems.push({ name: 'other topics', mark: rect(4, 1, 18, 12, { class: `t-${TOPIC_COLOURS.length - 1}` }) })
  }
  const buttons =
    '<div class="views" hidden><button type="button" data-view="kind" aria-pressed="true">By state</button><button type="button" data-view="topic" aria-pressed="false">By topic</button></div>'
  return section(
    'The log',
    about,
    `<svg width="0" height="0" style="position:absolute" aria-hidden="true">${pattern()}</svg>`,
    buttons,
    `<div class="v-kind">${legend([...kindItems, ...lineItems(map)])}</div><div class="v-topic">${legend(topicItems)}</div>`,
    responsive(logChart(map, { width: WIDE, id: 'log' }), logChart(map, { width: NARROW, id: 'log-narrow' })),
    '<div class="detail" role="status" aria-live="polite" hidden>Point at a cell, or move to a row with Tab and along it with the arrow keys.</div>',
    `<script type="application/json" id="cells">${scriptJson(dataOf(map))}</script>`,
  )
}

function lineItems({ notOnDisk, inMemory, log, memoryUnknown, flushed }: StoreMap) {
  const disk = notOnDisk === undefined ? `not on disk: unknown, ${flushed.source}` : `not on disk (${bytes(notOnDisk)})`
  const memory =
    inMemory === undefined
      ? `in memory: unknown, ${memoryUnknown}`
      : `in memory (${percent(inMemory / Math.max(1, log.bytes))})`
  return [
    { name: disk, mark: rect(4, 5, 18, 3.5, { class: 'open' }) },
    { name: memory, mark: rect(4, 6, 18, 2.5, { class: 'memory' }) },
  ]
}

/** What the script shows of a column: place, size, kinds, largest topics, not on disk, in memory. */
function dataOf(map: StoreMap) {
  const names = map.topics.map(({ topic }) => topic)
  const indexes = new Map(names.map((name, i) => [name, i]))
  const used = new Set<number>()
  const columnOf = ({ from, bytes: size, kinds, topics, notOnDisk, inMemory }: Column) => {
    const most = [...topics].sort((a, b) => b[1] - a[1]).slice(0, 4)
    const top = most.map(([topic, each]) => [indexes.get(topic) ?? 0, Math.round(each)])
    for (const [index] of top) used.add(index)
    const parts = KINDS.map((kind, i) => [i, Math.round(kinds[kind])]).filter(([, each]) => each > 0)
    const known = (value: number | undefined) => (value === undefined ? -1 : Math.round(value))
    return [from, Math.round(size), parts, top, known(notOnDisk), known(inMemory)]
  }
  const rows = rowsOf(map, ROWS_MAX, COLUMNS).map(({ columns }) => columns.map(columnOf))
  return {
    kinds: KINDS.map((kind) => [kind, KIND_TEXTS[kind].label]),
    topics: names.map((name, i) => (used.has(i) ? name : 0)),
    rows,
  }
}

/** Nothing in it can end the element. */
const scriptJson = (value: unknown) => JSON.stringify(value).replaceAll('<', '\\u003c')

function groupsSection({ groups }: StoreMap): string {
  if (groups.length === 0) return section('Who has read how much', 'No group has offsets.')
  const rows = groups.map(({ group, topic, records, bytes: size, queues }) => [
    group,
    topic,
    whole(queues),
    whole(records),
    bytes(size),
  ])
  return section(
    'Who has read how much',
    'Records at or above the group’s offsets that are still in the log.',
    htmlTable(['group', 'topic', 'queues', 'behind', 'bytes'], rows, [0, 1]),
  )
}

function filesSection({ segments, kinds }: StoreMap): string {
  const present = KINDS.filter((kind) => kinds[kind] > 0)
  const heads = [
    'file',
    'from',
    'first record',
    'size',
    ...present.map((kind) => KIND_TEXTS[kind].label),
    'not on disk',
    'in memory',
    '',
  ]
  const rows = segments.map((segment) => [
    segment.path.slice(segment.path.lastIndexOf('/') + 1),
    place(segment.start),
    segment.firstTime <= 0 || segment.firstTime > 8.64e15 ? '–' : dayTime(segment.firstTime),
    bytes(segment.size),
    ...present.map((kind) => figure(segment.kinds[kind as keyof KindBytes])),
    segment.notOnDisk === undefined ? 'unknown' : figure(segment.notOnDisk),
    segment.inMemory === undefined ? 'unknown' : percent(segment.inMemory / Math.max(1, segment.size)),
    segment.isExpired ? 'goes next' : '',
  ])
  return section('Every file', '', details(`${whole(rows.length)} files`, htmlTable(heads, rows)))
}

const figure = (value: number | undefined) => (value === undefined || value < 0.5 ? '–' : bytes(value))
