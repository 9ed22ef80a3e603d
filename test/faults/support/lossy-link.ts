/**
 * A link of its own to a network namespace, whose packets are lost or late (shim/lossy-link.c): the kernel's TCP at both ends,
 * with its retransmissions.
 *
 *   const link = await LossyLink.open()                 // undefined where it may not be made (needs root, /dev/net/tun, cc)
 *   startMaster({ bindAddress: '0.0.0.0', brokerIP1: link.here })
 *   startBrokerProcess({ …, netns: link.netns, config: { brokerIP1: link.there } })
 *   await link.set('loss 30')                           // 'loss 100' is a cut
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCE = join(dirname(fileURLToPath(import.meta.url)), '..', 'shim', 'lossy-link.c')
const SKIPPED = 'REAL PACKET LOSS IS NOT TESTED'

export class LossyLink implements AsyncDisposable {
  readonly netns: string
  /** Addresses of this end and of the namespace's. */
  readonly here: string
  readonly there: string
  private readonly child: ChildProcess

  private constructor(child: ChildProcess, netns: string, here: string, there: string) {
    this.child = child
    this.netns = netns
    this.here = here
    this.there = there
  }

  /** `folder`: for the program. */
  static async open(folder: string): Promise<LossyLink | undefined> {
    const program = join(folder, 'lossy-link')
    const built = spawnSync('cc', ['-O2', '-o', program, SOURCE], { encoding: 'utf8' })
    if (built.error !== undefined) return skipped('there is no C compiler (cc)')
    if (built.status !== 0) throw new Error(`lossy-link does not compile: ${built.stderr}`)
    const name = `bl${process.pid % 100_000}`
    const [near, far] = [`${name}a`, `${name}b`]
    // One of 16,384 nets of the block for benchmarks: several runs on a machine are not in each other's way.
    const net = `198.18.${process.pid % 256}`
    const [here, there] = [`${net}.1`, `${net}.2`]
    if (!ip('netns', 'add', name)) return skipped('a network namespace cannot be made (needs root)')
    const child = spawn(program, [near, far], { stdio: ['pipe', 'pipe', 'inherit'] })
    const link = new LossyLink(child, name, here, there)
    const begun = await Promise.race([once(child.stdout!, 'data'), once(child, 'exit').then(() => undefined)])
    const isUp =
      begun !== undefined &&
      ip('link', 'set', far, 'netns', name) &&
      ip('addr', 'add', here, 'peer', there, 'dev', near) &&
      ip('link', 'set', near, 'up') &&
      ip('-n', name, 'addr', 'add', there, 'peer', here, 'dev', far) &&
      ip('-n', name, 'link', 'set', far, 'up') &&
      ip('-n', name, 'link', 'set', 'lo', 'up')
    if (isUp) return link
    await link[Symbol.asyncDispose]()
    return skipped('a tun device cannot be made (needs root and /dev/net/tun)')
  }

  /** `loss <percent>`, `delay <milliseconds>`: in force when this resolves. */
  async set(what: string): Promise<void> {
    const done = once(this.child.stdout!, 'data')
    this.child.stdin!.write(`${what}\n`)
    await done
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null) {
      const gone = once(this.child, 'exit')
      this.child.stdin!.end()
      await gone
    }
    ip('netns', 'del', this.netns)
  }
}

function ip(...args: string[]): boolean {
  return spawnSync('ip', args).status === 0
}

function skipped(why: string): undefined {
  console.error(`${SKIPPED}: ${why}`)
  return undefined
}
