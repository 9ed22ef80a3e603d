/** docs/configuration.md says of every key what the table of keys says. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type AnyKey, KEYS, type Role } from '../../src/config/index.ts'
import { keyTables, overTheWire } from '../../src/config/key-table.ts'
import { BROKER_ADMIN_CODES, NAMESRV_ADMIN_CODES } from '../../src/remoting/admin-codes.ts'

const document = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
const roles: Role[] = ['broker', 'namesrv']

describe.each(roles)('the keys of a %s', (role) => {
  test('are in the document as they are in the code (node tools/config-docs.mjs writes them)', () => {
    const block = new RegExp(`<!-- keys of the ${role} -->\n\n([\\s\\S]*?)\n<!-- end -->`).exec(document)?.[1]
    expect(block).toBe(keyTables(role))
  })

  test('that are paths, commands, addresses, access or secrets cannot be changed by a request', () => {
    const dangerous = Object.entries(KEYS[role] as Record<string, AnyKey>).filter(
      ([name, key]) =>
        /Path|Home|logFile|PlugIn|filterServerNums|bindAddress|istenPort|^acl|Loopback|^tls\.|useTLS|BlackList/.test(
          name,
        ) || key.secret,
    )
    expect(dangerous.length).toBeGreaterThan(15)
    for (const [name, key] of dangerous) expect([name, overTheWire(key)]).toEqual([name, 'never'])
  })

  test('are not said to change at once where nothing reads them', () => {
    for (const [name, key] of Object.entries(KEYS[role] as Record<string, AnyKey>)) {
      if (key.effect === 'none') expect([name, key.live]).toEqual([name, false])
    }
  })
})

test('the codes that administer are in the document', () => {
  const listed = /Broker: ([\d,\s]+)\. NameServer: ([\d,\s]+)\./.exec(document.replace(/\n/g, ' '))
  const codes = (text: string | undefined) => text?.split(',').map(Number)
  const sorted = (set: ReadonlySet<number>) => [...set].sort((a, b) => a - b)
  expect(codes(listed?.[1])).toEqual(sorted(BROKER_ADMIN_CODES))
  expect(codes(listed?.[2])).toEqual(sorted(NAMESRV_ADMIN_CODES))
})
