/**
 * One member as a process of its own, out of reach of the terminal's Ctrl-C: whoever started it ends it. What it prints goes to
 * broker.log in its folder.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ServerProcess } from '../../bench/server-process.ts'
import { BasaltError } from '../../errors.ts'
import type { MemberPlan } from './plan.ts'

const COMMAND = fileURLToPath(new URL('../../../bin/basaltmq.js', import.meta.url))
const READY_MS_MAX = 60_000
const STOP_MS_MAX = 30_000

export class MemberProcess {
  readonly plan: MemberPlan
  private readonly ended: (member: MemberProcess, how: string) => void
  private running: ServerProcess | undefined

  /** `ended`: its process went without having been told to. */
  constructor(plan: MemberPlan, ended: (member: MemberProcess, how: string) => void) {
    this.plan = plan
    this.ended = ended
  }

  /** Undefined: it does not run, or not as our process. */
  get pid(): number | undefined {
    return this.running?.pid
  }

  get log(): string {
    return join(this.plan.folder, 'broker.log')
  }

  /** Its process is there; ready() waits until it can be talked to. */
  spawn(): void {
    const { id, folder, conf, confText } = this.plan
    mkdirSync(folder, { recursive: true })
    writeFileSync(conf, confText)
    const started = new ServerProcess({
      name: `member ${id}`,
      command: process.execPath,
      args: [COMMAND, 'broker', '-c', conf],
      cwd: folder,
      log: this.log,
      env: { NAMESRV_ADDR: '', ROCKETMQ_HOME: '' },
      ownGroup: true,
    })
    this.running = started
    void started.exit.then((status) => {
      if (this.running !== started) return
      this.running = undefined
      const { signalCode } = started.child
      this.ended(this, signalCode === null ? `ended with status ${status}` : `was killed (${signalCode})`)
    })
  }

  /** Throws with what it said last when it ends instead, or does not get there. */
  async ready(): Promise<void> {
    const { running, plan } = this
    if (running === undefined) throw this.failed('ended at once')
    try {
      await running.listening(plan.port, READY_MS_MAX)
    } catch {
      const how = running.ended ? `ended with status ${running.status}` : `was not ready in ${READY_MS_MAX} ms`
      const said = running.tail(1).replace(/^basaltmq: /, '')
      throw this.failed(said === '' ? how : `${how}: ${said}`)
    }
  }

  private failed(how: string): BasaltError {
    return new BasaltError('MEMBER_ENDED', {
      what: `member ${this.plan.id} ${how}`,
      where: this.log,
      todo: `its log says more; ${this.plan.command} starts it alone`,
    })
  }

  /** kill -9, as an accident would. */
  kill(): void {
    this.running?.signal('SIGKILL')
  }

  async stop(): Promise<void> {
    const { running } = this
    this.running = undefined
    await running?.stop(STOP_MS_MAX)
  }
}
