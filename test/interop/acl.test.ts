/**
 * Access rules against Apache's own clients and tools. BASALT_INTEROP_BROKER=apache runs the same on Apache's broker, where
 * what we ask for beyond it is skipped.
 */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mqadmin } from '../../tools/apache/java.mjs'
import { hashes, producer, pushConsumer } from './support/programs.ts'
import { apacheIsThere, CLIENTS, KIND, ORACLE, Scratch, type System, startSystem } from './support/systems.ts'

const SECRET = 'S3CRET-application'
const RULES = `# the rules of this test
globalWhiteRemoteAddresses: []
accounts:
- accessKey: application
  secretKey: ${SECRET}
  defaultTopicPerm: DENY
  defaultGroupPerm: DENY
  topicPerms: [ Allowed=PUB|SUB ]
  groupPerms: [ Readers=SUB ]
- accessKey: administrator
  secretKey: S3CRET-administrator
  admin: true
`
const application = { accessKey: 'application', secretKey: SECRET }
const administrator = { accessKey: 'administrator', secretKey: 'S3CRET-administrator' }
const there = apacheIsThere(...CLIENTS)

describe.skipIf(!there).each(CLIENTS)(`access rules of the ${KIND} broker and a Java client %s`, (version) => {
  const scratch = new Scratch()
  let system: System
  beforeAll(async () => {
    system = await startSystem({ scratch, acl: RULES })
  })
  afterAll(async () => {
    await system?.close()
    scratch.remove()
  })

  const send = (options: Record<string, string | number>, java?: string[]) =>
    producer(scratch, version, { namesrv: system.namesrv, count: 1, tries: 1, ...options }, java).done()

  // Both codecs are the same in both versions: one run of the binary one is enough.
  test.each(version === ORACLE ? ['JSON', 'ROCKETMQ'] : ['JSON'])(
    'what it sends with its account, it gets with its group: headers in %s',
    async (type) => {
      const java = [`-Drocketmq.serialize.type=${type}`]
      const options = { topic: 'Allowed', count: 20, seed: type.length, tries: 5, ...application }
      const sent = hashes((await send(options, java)).acknowledged)
      expect(sent.size).toBe(20)
      const all = { namesrv: system.namesrv, topic: 'Allowed', group: 'Readers', distinct: 20, ...application }
      const got = hashes(await pushConsumer(scratch, version, all, java).done())
      expect([...sent].filter(([key, hash]) => got.get(key) !== hash)).toEqual([])
    },
  )

  test('the refusals are those that it knows', async () => {
    const cases: [Record<string, string>, RegExp][] = [
      [{ topic: 'Allowed' }, /AclException: No accessKey is configured/],
      [
        { topic: 'Allowed', accessKey: 'nobody123', secretKey: 'xxxxxxxx' },
        /AclException: No acl config for nobody123/,
      ],
      [
        { topic: 'Allowed', ...application, secretKey: 'xxxxxxxx' },
        /AclException: Check signature failed for accessKey=application/,
      ],
      [{ topic: 'Other', ...application }, /AclException: No default permission for topic:Other/],
    ]
    const results = await Promise.all(cases.map(([options]) => send(options)))
    for (const [i, { acknowledged, tries }] of results.entries()) {
      expect(acknowledged).toEqual([])
      expect(tries[0].join(' ')).toMatch(cases[i][1])
    }
  })

  test('its mqadmin changes the configuration of broker and NameServer, and no path', async () => {
    const b = ['-n', system.namesrv, '-b', system.address]
    const n = ['-n', system.namesrv]
    const commands = [
      ['updateBrokerConfig', ...b, '-k', 'fileReservedTime', '-v', '23'],
      ['updateBrokerConfig', ...b, '-k', 'brokerPermission', '-v', '4'],
      ['topicRoute', ...n, '-t', 'BenchmarkTest'],
      ['updateNamesrvConfig', ...n, '-k', 'orderMessageEnable', '-v', 'true'],
      ['getNamesrvConfig', ...n],
      ['updateNamesrvConfig', ...n, '-k', 'configStorePath', '-v', '/tmp/evil'],
      // 4.9.7 has no black list and takes this; 4.9.8 has one.
      ...(KIND === 'basalt' ? [['updateBrokerConfig', ...b, '-k', 'brokerConfigPath', '-v', '/tmp/evil']] : []),
      ['getBrokerConfig', ...b],
    ]
    const options = { version, folder: scratch.sub('admin'), account: administrator }
    const out = await mqadmin({ ...options, commands })
    for (const index of [0, 1, 3]) expect(out[index]).toContain('success')
    // What is refused is printed as an exception, behind everything else.
    const last = out.at(-1) ?? ''
    expect(last).toMatch(/fileReservedTime\s+=\s+23/)
    expect(last).toMatch(/CODE: 16\s+DESC: Can not update config/)
    expect(last).not.toMatch(/= +\/tmp\/evil/)
    expect(out[2]).toMatch(/"perm":\s*4/)
    expect(out[4]).toMatch(/orderMessageEnable\s+=\s+true/)
  })
})

describe.skipIf(!there)(`mqadmin ${ORACLE} and the access rules of the ${KIND} broker`, () => {
  const scratch = new Scratch()
  let system: System
  let out: string[]
  beforeAll(async () => {
    system = await startSystem({ scratch, acl: RULES })
    const b = ['-b', system.address]
    const n = ['-n', system.namesrv]
    out = await mqadmin({
      version: ORACLE,
      folder: scratch.sub('admin'),
      account: administrator,
      commands: [
        [
          'updateAclConfig',
          ...n,
          ...b,
          '-a',
          'newcomer',
          '-s',
          'S3CRET-newcomer',
          '-t',
          'Mine=PUB|SUB',
          '-g',
          'Mine=SUB',
          '-m',
          'false',
        ],
        ['updateAclConfig', ...n, ...b, '-a', 'leaver-1', '-s', 'S3CRET-leaver', '-m', 'false'],
        ['deleteAclConfig', ...n, ...b, '-a', 'leaver-1'],
        ['updateGlobalWhiteAddr', ...n, ...b, '-g', '10.10.154.1,10.10.154.*'],
        ['clusterAclConfigVersion', ...n, ...b],
        ['updateAclConfig', ...n, ...b, '-a', 'shortish', '-s', 'short', '-m', 'false'],
      ],
    })
  })
  afterAll(async () => {
    await system?.close()
    scratch.remove()
  })

  test('it makes and deletes accounts, sets white addresses, and shows versions', () => {
    expect(out[0]).toContain('success')
    expect(out[2]).toContain('success')
    expect(out[3]).toContain('success')
    expect(out[4]).toMatch(/broker-a[\s\S]*plain_acl\.yml/)
    expect(out[5]).toContain('209')
  })

  test('the file that is left has the rules of both, and a Java broker and ours serve the newcomer by it', async () => {
    const text = readFileSync(system.aclFile, 'utf8')
    expect(text).toContain('newcomer')
    expect(text).toContain('10.10.154.*')
    expect(text).not.toContain('leaver')
    // Ours keeps what a human wrote beside the rules.
    if (KIND === 'basalt') expect(text).toContain('# the rules of this test')
    const others = new Scratch()
    const other = await startSystem({ scratch: others, kind: KIND === 'basalt' ? 'apache' : 'basalt', acl: text })
    try {
      for (const one of [system, other]) {
        const account = { accessKey: 'newcomer', secretKey: 'S3CRET-newcomer' }
        const sent = producer(scratch, ORACLE, { namesrv: one.namesrv, topic: 'Mine', count: 3, tries: 3, ...account })
        expect((await sent.done()).acknowledged).toHaveLength(3)
      }
    } finally {
      await other.close()
      others.remove()
    }
  })
})
