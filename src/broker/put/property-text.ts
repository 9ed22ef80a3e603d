/**
 * Reads and edits the properties text of a message the broker stores itself: `name` 0x01 `value` 0x02 `name` 0x01 `value` …
 *
 * Reads as RocketMQ reads (the last pair of a name wins, pairs without name or value are none); an edited text has each
 * name once, in the order of first appearance, without a trailing 0x02. A text that needs no change is returned as it is.
 * Format: spec/store-format.md §2, spec/broker-requests.md §1.
 */
import { assert } from '../../assert.ts'
import { formatProperties, parseProperties } from '../../store/commitlog/properties.ts'

const NAME_VALUE = '\u0001'
const PAIR = '\u0002'

/** The value of a property, or undefined. */
export function propertyOf(text: string, name: string): string | undefined {
  let value: string | undefined
  const head = name + NAME_VALUE
  for (let at = 0; at < text.length; ) {
    let end = text.indexOf(PAIR, at)
    if (end < 0) end = text.length
    if (end - at > head.length && text.startsWith(head, at)) value = text.slice(at + head.length, end)
    at = end + 1
  }
  return value
}

/** The text with these properties set; undefined removes one. */
export function withProperties(text: string, changes: Readonly<Record<string, string | undefined>>): string {
  const properties = parseProperties(text)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) {
      properties.delete(name)
      continue
    }
    assert(isName(name) && value !== '' && !value.includes(PAIR), 'a property has a name and a value, without 0x02')
    properties.set(name, value)
  }
  return formatProperties(properties)
}

export function withProperty(text: string, name: string, value: string): string {
  return withProperties(text, { [name]: value })
}

export function withoutProperty(text: string, name: string): string {
  return propertyOf(text, name) === undefined ? text : withProperties(text, { [name]: undefined })
}

function isName(name: string): boolean {
  return name !== '' && !name.includes(NAME_VALUE) && !name.includes(PAIR)
}
