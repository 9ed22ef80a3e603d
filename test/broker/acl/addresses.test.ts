import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressPattern } from '../../../src/broker/acl/addresses.ts'
import { hostBytes } from '../../../src/remoting/host.ts'

const matches = (pattern: string, address: string) => addressPattern(pattern)(hostBytes(address))

describe('a white address', () => {
  test.each([
    ['192.168.1.7', ['192.168.1.7', '::ffff:192.168.1.7'], ['192.168.1.8', '::1', '1.192.168.1']],
    ['10.10.103.*', ['10.10.103.0', '10.10.103.255'], ['10.10.104.1', '10.10.10.3']],
    ['192.168.*.*', ['192.168.0.1', '192.168.255.255'], ['192.169.0.1']],
    ['192.168.*', ['192.168.0.1', '192.168.255.255'], ['192.169.0.1']],
    ['192.168.0.1-20', ['192.168.0.1', '192.168.0.20'], ['192.168.0.0', '192.168.0.21']],
    ['192.168.0-3.*', ['192.168.0.9', '192.168.3.200'], ['192.168.4.1']],
    ['10.*.3.4', ['10.1.3.4'], ['10.1.3.5', '11.1.3.4']],
    ['10.10.103.{1,2,13}', ['10.10.103.1', '10.10.103.13'], ['10.10.103.3']],
    ['10.10.103.4,10.10.103.5', ['10.10.103.4', '10.10.103.5'], ['10.10.103.6']],
    ['10.10.10.0-0', ['10.10.10.0'], ['10.10.10.1']],
    ['fe80::1', ['fe80::1', 'fe80:0:0:0:0:0:0:1'], ['fe80::2']],
    ['FE80:0:0:0:0:0:0:1', ['fe80::1'], ['fe80::11']],
    [
      '1050:0000:0000:0000:0005:0600:300c:1-200',
      ['1050::5:600:300c:1', '1050::5:600:300c:200'],
      ['1050::5:600:300c:201'],
    ],
    ['1050::5:600:300c:*', ['1050::5:600:300c:0', '1050::5:600:300c:ffff'], ['1050::5:600:300d:1']],
    ['1050::5:1-20:*', ['1050::5:1:0', '1050::5:20:7'], ['1050::5:21:7']],
    ['1050::5:600:300c:{1,20}', ['1050::5:600:300c:20'], ['1050::5:600:300c:2']],
    [' ', [], ['127.0.0.1', '::1']],
    ['*', ['127.0.0.1', '::1'], []],
    ['*.*.*.*', ['127.0.0.1', '::1'], []],
    ['*:*:*:*:*:*:*:*', ['127.0.0.1', '::1'], []],
  ])('%j takes %j and not %j', (pattern, taken, refused) => {
    expect(taken.map((address) => matches(pattern, address))).toEqual(taken.map(() => true))
    expect(refused.map((address) => matches(pattern, address))).toEqual(refused.map(() => false))
  })

  // The first five are refused by a running 4.9.7 with this text (as is everything that Java takes for no address).
  test.each([
    '1.2.3',
    '256.1.1.1',
    '1.2.3.4.5',
    'host.example',
    '10.10.103.{a,b}',
    '10.10.103.1-',
    '10.10.103.-5',
    '10.10.103.20-1',
    '10.10.103.1-256',
    '10.10.103.1-2-3',
    '10.10.103.4,10.10.103.*',
    '10.10.103.{1-3}',
    '1050::5::*',
    '1:2:3:4:5:6:7:8:*',
    '1050:5:*',
    '1050::1-10000',
    '10.10.**.1',
  ])('%j is refused by name', (pattern) => {
    expect(() => addressPattern(pattern)).toThrow(/Netaddress examine Exception netaddress is /)
  })

  test('of ranges takes exactly the addresses whose parts lie in them', () => {
    const part = fc.oneof(
      fc.nat({ max: 255 }).map((n) => ({ text: String(n), min: n, max: n })),
      fc.constant({ text: '*', min: 0, max: 255 }),
      fc.tuple(fc.nat({ max: 255 }), fc.nat({ max: 255 })).map(([a, b]) => {
        const [min, max] = a < b ? [a, b] : [b, a]
        return { text: `${min}-${max}`, min, max }
      }),
    )
    const parts = fc.tuple(part, part, part, part)
    const address = fc.uint8Array({ minLength: 4, maxLength: 4 })
    fc.assert(
      fc.property(parts, address, (pattern, bytes) => {
        const isIn = pattern.every(({ min, max }, i) => bytes[i] >= min && bytes[i] <= max)
        expect(addressPattern(pattern.map(({ text }) => text).join('.'))(bytes)).toBe(isIn)
      }),
    )
  })
})
