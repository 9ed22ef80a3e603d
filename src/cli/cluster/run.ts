/**
 * `basaltmq broker --cluster N`: a NameServer in this process and N brokers as processes, one DLedger group. For trying out, and for
 * seeing what a kill -9 does.
 *
 * Owns: the NameServer, the processes it started. One signal ends all; a second kills them.
 */
import { resolve } from 'node:path'
import { resolveConfig } from '../../config/index.ts'
import { timeText } from '../../text.ts'
import { parseDuration } from '../admin/format.ts'
import type { Io, NamesrvHandle } from '../io.ts'
import { createLog } from '../logging.ts'
import { type Served, serve } from '../serve.ts'
import { MemberProcess } from './member-process.ts'
import { type ClusterFlags, type ClusterPlan, keepPlan, planCluster } from './plan.ts'
import { clusterScreen, hasKeys } from './screen.ts'
import { ClusterWatch } from './watch.ts'

const CTRL_C = '\u0003'

export async function runCluster(
  io: Io,
  flags: ClusterFlags & { printConfig?: boolean },
  started: number,
): Promise<void> {
  const restartMs = flags.restart === undefined ? undefined : parseDuration(flags.restart)
  const plan = await planCluster(io, flags)
  for (const warning of plan.warnings) io.error(`basaltmq: warning: ${warning}\n`)
  if (flags.printConfig === true) {
    io.out(plan.members.map(({ conf, confText }) => `# ${conf}\n${confText}`).join('\n'))
    return
  }
  await serve(
    io,
    () => Cluster.start(io, plan, restartMs),
    (cluster) => cluster.watched(clusterScreen(io, plan, cluster.members, performance.now() - started)),
  )
}

class Cluster implements Served {
  readonly members: readonly MemberProcess[]
  private readonly io: Io
  private readonly plan: ClusterPlan
  private readonly restartMs: number | undefined
  private readonly watch: ClusterWatch
  private readonly restarts = new Set<NodeJS.Timeout>()
  private namesrv: NamesrvHandle | undefined
  private releaseKeys: (() => void) | undefined
  private isClosing = false

  private constructor(io: Io, plan: ClusterPlan, restartMs: number | undefined) {
    this.io = io
    this.plan = plan
    this.restartMs = restartMs
    this.members = plan.members.map((each) => new MemberProcess(each, (member, how) => this.ended(member, how)))
    this.watch = new ClusterWatch(
      plan,
      (line) => this.tell(line),
      (id) => this.members.find((member) => member.plan.id === id)?.pid,
    )
  }

  static async start(io: Io, plan: ClusterPlan, restartMs: number | undefined): Promise<Cluster> {
    const cluster = new Cluster(io, plan, restartMs)
    try {
      await cluster.startAll()
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  /** From here on it tells what happens, and takes keys. */
  watched(screen: string): string {
    setImmediate(() => {
      if (this.isClosing) return
      this.watch.begin()
      if (hasKeys(this.io)) this.releaseKeys = this.io.terminal?.onKey?.((key) => this.key(key))
    })
    return screen
  }

  async close(): Promise<void> {
    this.isClosing = true
    this.releaseKeys?.()
    for (const timer of this.restarts) clearTimeout(timer)
    await this.watch.close()
    await Promise.all(this.members.map((member) => member.stop()))
    await this.namesrv?.close()
  }

  private async startAll(): Promise<void> {
    const { folder, namesrvPort } = this.plan
    keepPlan(this.plan, [])
    const resolved = resolveConfig({
      role: 'namesrv',
      overrides: { listenPort: namesrvPort, bindAddress: '127.0.0.1', kvConfigPath: resolve(folder, 'kvConfig.json') },
      env: {},
      cwd: folder,
    })
    this.namesrv = await (await this.io.engine()).startNamesrv(
      resolved,
      createLog({ logLevel: 'warn', logFile: resolve(folder, 'namesrv.log') }, false),
    )
    for (const member of this.members) member.spawn()
    this.keep()
    await Promise.all(this.members.map((member) => member.ready()))
  }

  private keep(): void {
    keepPlan(
      this.plan,
      this.members.map(({ pid }) => pid).filter((pid) => pid !== undefined),
    )
  }

  private ended(member: MemberProcess, how: string): void {
    if (this.isClosing) return
    const { id, command } = member.plan
    const again =
      this.restartMs === undefined ? `it comes back with: ${command}` : `it is started again in ${this.restartMs} ms`
    this.tell(`${id} ${how}; ${again}`)
    this.watch.gone(id)
    this.keep()
    if (this.restartMs === undefined) return
    const timer = setTimeout(() => {
      this.restarts.delete(timer)
      this.startAgain(member)
    }, this.restartMs)
    this.restarts.add(timer)
  }

  private startAgain(member: MemberProcess): void {
    const { id } = member.plan
    if (this.isClosing || member.pid !== undefined) return
    if (this.watch.isThere(id)) {
      this.tell(`${id} is there: somebody else has started it`)
      return
    }
    member.spawn()
    this.keep()
    this.tell(`${id} is started again, pid ${member.pid}`)
  }

  private key(key: string): void {
    if (key === CTRL_C) process.kill(process.pid, 'SIGINT')
    const member = this.members.find(({ plan }) => plan.id === `n${key}`)
    if (member === undefined) return
    if (member.pid === undefined) this.startAgain(member)
    else member.kill()
  }

  private tell(line: string): void {
    this.io.out(`${timeText(Date.now(), 'ms').slice(11)}  ${line}\n`)
  }
}
