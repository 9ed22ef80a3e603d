/** Filters of groups: from heartbeats into consumerFilter.json and back, without sockets. */
import { describe, expect, test } from 'vitest'
import { ConsumerFilters } from '../../../src/broker/filter/index.ts'
import type { Subscription } from '../../../src/broker/groups/index.ts'
import { CollectedLog, ManualClock, MemoryFiles } from '../rig.ts'

const DAY = 86_400_000
const FILE = 'consumerFilter.json'

function setUp(files = new MemoryFiles(), settings = {}) {
  const clock = new ManualClock()
  const log = new CollectedLog()
  const filters = new ConsumerFilters({
    settings: {
      filterDataCleanTimeSpan: DAY,
      maxErrorRateOfBloomFilter: 20,
      expectConsumerNumUseFilter: 32,
      ...settings,
    },
    store: files,
    clock,
    log,
  })
  filters.load()
  return { clock, log, filters, files }
}

function sub(topic: string, subString: string, subVersion = 100, expressionType = 'SQL92'): Subscription {
  return { topic, subString, subVersion, expressionType, tagsSet: [], codeSet: new Set(), classFilterMode: false }
}

const shown = (filters: ConsumerFilters, topic = 'T', group = 'G') => {
  const data = filters.get(topic, group)
  if (data === undefined) return undefined
  return { expression: data.filter.expression, version: data.clientVersion, dead: data.deadTime > 0 }
}

describe('the filter of a group', () => {
  test('comes with its heartbeat, and each further one changes nothing', async () => {
    const { filters, files } = setUp()
    filters.subscribed('G', [sub('T', 'a = 1'), sub('%RETRY%G', '*', 100, 'TAG')])
    expect(shown(filters)).toEqual({ expression: 'a = 1', version: 100, dead: false })
    expect(filters.get('%RETRY%G', 'G')).toBe(undefined)
    await filters.flush()
    const { saves } = files
    const before = filters.get('T', 'G')
    filters.subscribed('G', [sub('T', 'a = 1')])
    await filters.flush()
    expect(filters.get('T', 'G')).toBe(before)
    expect(files.saves).toBe(saves)
  })

  test('follows a larger subVersion only', () => {
    const { filters } = setUp()
    filters.subscribed('G', [sub('T', 'a = 1', 100)])
    filters.subscribed('G', [sub('T', 'a = 2', 100)])
    filters.subscribed('G', [sub('T', 'a = 2', 50)])
    expect(shown(filters)).toEqual({ expression: 'a = 1', version: 100, dead: false })
    filters.subscribed('G', [sub('T', 'a = 1', 101)])
    expect(shown(filters)).toEqual({ expression: 'a = 1', version: 101, dead: false })
    filters.subscribed('G', [sub('T', 'a = 2', 102)])
    expect(shown(filters)).toEqual({ expression: 'a = 2', version: 102, dead: false })
  })

  test('is none where the expression does not compile, or the type is another one', () => {
    const { filters } = setUp()
    filters.subscribed('G', [sub('T', 'a ='), sub('U', 'a = 1', 1, 'FOO'), sub('V', '')])
    expect([...filters.all()]).toEqual([])
    filters.subscribed('G', [sub('T', 'a = 1', 200)])
    filters.subscribed('G', [sub('T', 'a =', 300)])
    expect(shown(filters)).toBe(undefined)
  })

  test('dies with its topic, its group, or when the group turns to tags; the group brings it back', () => {
    const { filters, clock } = setUp()
    filters.subscribed('G', [sub('T', 'a = 1'), sub('U', 'b = 1')])
    filters.subscribed('G', [sub('T', 'a = 1')])
    expect([shown(filters, 'U')?.dead, shown(filters, 'T')?.dead]).toEqual([true, false])
    filters.subscribed('G', [sub('T', '*', 200, 'TAG')])
    expect(shown(filters)?.dead).toBe(true)
    filters.subscribed('G', [sub('T', 'a = 1')])
    expect(shown(filters)?.dead).toBe(false)
    filters.gone('G')
    expect(filters.get('T', 'G')?.deadTime).toBe(clock.now())
    // The only client's clock went back: there is nobody who knows better.
    filters.subscribed('G', [sub('T', 'a = 3', 7)])
    expect(shown(filters)).toEqual({ expression: 'a = 3', version: 7, dead: false })
  })

  test('is kept for filterDataCleanTimeSpan after its group, and not while that is there', () => {
    const { filters, clock } = setUp()
    filters.subscribed('G', [sub('T', 'a = 1')])
    filters.subscribed('H', [sub('T', 'a = 1')])
    filters.gone('G')
    clock.ms += DAY
    filters.clean()
    expect(shown(filters)?.dead).toBe(true)
    clock.ms += 1
    filters.clean()
    expect(shown(filters)).toBe(undefined)
    expect(shown(filters, 'T', 'H')?.dead).toBe(false)
  })

  test('tells in the log what RocketMQ ignores behind an expression', () => {
    const { filters, log } = setUp()
    filters.subscribed('G', [sub('T', "a = 1 LIKE 'x'")])
    expect(log.lines.join()).toContain('ends before "LIKE \'x\'"')
  })
})

describe('consumerFilter.json', () => {
  test('is what RocketMQ 4.9.7 writes for the same heartbeat, byte for byte', async () => {
    const { filters, files, clock } = setUp()
    clock.ms = 1_795_714_633_095
    filters.subscribed('G1', [sub('T', "a = '1'")])
    clock.ms = 1_795_714_633_135
    filters.subscribed('G6', [sub('U', "b = '1'")])
    clock.ms = 1_795_714_633_139
    filters.gone('G6')
    await filters.flush()
    // Recorded; the last line break is ours.
    expect(files.files.get(FILE)).toBe(`{
	"filterDataByTopic":{
		"T":{
			"groupFilterData":{
				"G1":{
					"bloomFilterData":{
						"bitNum":112,
						"bitPos":[48,65,29]
					},
					"bornTime":1795714633095,
					"clientVersion":100,
					"consumerGroup":"G1",
					"dead":false,
					"deadTime":0,
					"expression":"a = '1'",
					"expressionType":"SQL92",
					"topic":"T"
				}
			},
			"topic":"T"
		},
		"U":{
			"groupFilterData":{
				"G6":{
					"bloomFilterData":{
						"bitNum":112,
						"bitPos":[105,73,70]
					},
					"bornTime":1795714633135,
					"clientVersion":100,
					"consumerGroup":"G6",
					"dead":true,
					"deadTime":1795714633139,
					"expression":"b = '1'",
					"expressionType":"SQL92",
					"topic":"U"
				}
			},
			"topic":"U"
		}
	}
}
`)
  })

  test('an empty one too', async () => {
    const { filters, files } = setUp()
    filters.subscribed('G', [sub('T', 'a = 1')])
    filters.subscribed('G', [sub('T', 'a =', 200)])
    await filters.flush()
    expect(files.files.get(FILE)).toBe('{\n\t"filterDataByTopic":{}\n}\n')
  })

  test('is read again: all are dead until their groups come, with any text in them', async () => {
    const first = setUp()
    const expression = 'a = \'"\\ü\' AND\n\tb > 1 -- "so"'
    first.filters.subscribed('G', [sub('T', expression)])
    const { bornTime } = first.filters.get('T', 'G')!
    await first.filters.flush()
    const { filters, clock } = setUp(first.files)
    expect(shown(filters)).toEqual({ expression, version: 100, dead: true })
    expect(filters.get('T', 'G')).toMatchObject({ bornTime, deadTime: clock.now() })
    filters.subscribed('G', [sub('T', expression)])
    expect(shown(filters)?.dead).toBe(false)
  })

  test('entries that are none are left out with a word in the log; the others stay', () => {
    const files = new MemoryFiles()
    const good = { expression: 'a = 1', expressionType: 'SQL92', bornTime: 1, deadTime: 0, clientVersion: 5 }
    const groupFilterData = {
      good,
      bad: { ...good, expression: 'a =' },
      odd: 7,
      none: null,
      tag: { ...good, expressionType: 'TAG' },
    }
    files.files.set(FILE, JSON.stringify({ filterDataByTopic: { T: { topic: 'T', groupFilterData }, U: null, V: 3 } }))
    const { filters, log } = setUp(files)
    expect([...filters.all()].map(({ group }) => group)).toEqual(['good'])
    expect(log.lines).toHaveLength(4)
  })

  test('a write that failed is done again', async () => {
    const { filters, files } = setUp()
    filters.subscribed('G', [sub('T', 'a = 1')])
    files.failure = new Error('disk full')
    await filters.flush()
    files.failure = undefined
    await filters.flush()
    expect(files.files.get(FILE)).toContain('"a = 1"')
  })
})

describe('bits', () => {
  test('are believed from the place on that dispatch names, for expressions that it knows', () => {
    const { filters } = setUp()
    let told = 0
    filters.onChange(() => {
      told += 1
    })
    filters.subscribed('G', [sub('T', 'a = 1')])
    const { version } = filters
    filters.subscribed('H', [sub('T', 'a = 2')])
    expect(told).toBe(2)
    filters.trust(version, 500)
    const from = (group: string) => filters.get('T', group)?.trustedFrom
    expect([from('G'), from('H')]).toEqual([500, Number.POSITIVE_INFINITY])
    filters.trust(filters.version, 900)
    expect([from('G'), from('H')]).toEqual([500, 900])
    filters.subscribed('G', [sub('T', 'a = 3', 200)])
    expect(from('G')).toBe(Number.POSITIVE_INFINITY)
    // Dead and back with the same expression: its bits were kept all the time.
    filters.gone('H')
    filters.subscribed('H', [sub('T', 'a = 2')])
    expect(from('H')).toBe(900)
    expect(told).toBe(3)
  })

  test('are those of RocketMQ for other settings too', () => {
    const { filters } = setUp(new MemoryFiles(), { maxErrorRateOfBloomFilter: 10, expectConsumerNumUseFilter: 5 })
    filters.subscribed('G1', [sub('T', "a = '1'")])
    expect(filters.get('T', 'G1')?.bits).toEqual({ bitNum: 24, bitPos: [16, 1, 13, 11] })
  })
})

test('the retry topic is filtered by what the group filters elsewhere, while it does', () => {
  const { filters } = setUp()
  filters.subscribed('G', [sub('T', "a = '1'"), sub('U', "a = '2'")])
  const wanted = (text: string) => {
    const bytes = Buffer.from(text)
    return filters.retryFilter('G').matches(bytes, 0, bytes.length)
  }
  const of = (topic: string, a: string) => `RETRY_TOPIC\u0001${topic}\u0002a\u0001${a}`
  expect([of('T', '1'), of('T', '2'), of('U', '2'), of('U', '1'), of('V', '9'), 'a\u00019'].map(wanted)).toEqual([
    true,
    false,
    true,
    false,
    true,
    true,
  ])
  filters.subscribed('G', [sub('T', "a = '2'", 200)])
  expect([of('T', '1'), of('T', '2'), of('U', '1')].map(wanted)).toEqual([false, true, true])
})
