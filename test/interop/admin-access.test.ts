/** `basaltmq admin` with accounts and through TLS against a broker of Apache's, and ours as a process: the same is said and done. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Administrator, Certificates, handshakes, RULES, refusals, rules, work } from '../cli/admin/access-checks.ts'
import { Rig, type Server } from '../cli/admin/rig.ts'
import { apacheIsThere, CLIENTS, KIND, Scratch, type System, startSystem } from './support/systems.ts'

const certificates = new Certificates()
const { server, ca, pems } = certificates
afterAll(() => pems.remove())

const TLS = {
  'tls.server.mode': 'enforcing',
  'tls.test.mode.enable': false,
  'tls.server.keyPath': server.keyPath,
  'tls.server.certPath': server.certPath,
}
const JAVA = Object.entries(TLS).map(([key, value]) => `-D${key}=${value}`)

// 5.3.3 has ACL 1.0 no more.
describe.skipIf(!apacheIsThere(...CLIENTS) || KIND !== 'basalt').each(['apache', 'basalt'] as const)(
  'a broker of %s that checks accounts and asks for TLS',
  (kind) => {
    const scratch = new Scratch()
    const it = new Rig<Server>()
    let system: System
    let admin: Administrator
    beforeAll(async () => {
      system = await startSystem({
        scratch,
        kind,
        acl: RULES,
        namesrvConfig: { ...TLS, 'tls.server.mode': 'permissive' },
        ...(kind === 'apache' ? { java: JAVA } : { config: TLS }),
      })
      it.broker = system
      admin = new Administrator(it, `--tls-ca ${ca}`)
    })
    afterAll(async () => {
      admin?.remove()
      await system?.close()
      scratch.remove()
    })

    test('handshakes', () => handshakes(it, certificates, system.address))
    test('who it is that asks', () => refusals(admin))
    test('requests of all kinds are signed as it expects', () => work(admin))
    test('accounts are made, shown and deleted', async () => {
      await rules(admin, system.aclFile)
      if (kind === 'basalt') return
      const { accounts } = await admin.json('acl show')
      expect(accounts).toMatchObject([
        { accessKey: 'application', admin: false, defaultTopicPerm: 'DENY', topicPerms: ['Mail=PUB|SUB'] },
        { accessKey: 'administrator', admin: true },
      ])
      expect((await admin.ok('acl show application')).out).toMatch(/broker-a +application +Mail=PUB\|SUB else DENY/)
    })
  },
)
