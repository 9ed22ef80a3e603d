/**
 * Brokers that are wrong in one place: copies of the compiled package with one line changed. A test that means to catch
 * such a fault is run on them, to see that it does. They live below build/, where node_modules are found.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PACKAGE } from './broker-process.ts'

interface Change {
  /** In dist. */
  file: string
  from: string | RegExp
  to: string
}

export interface MutantPackage extends Disposable {
  readonly root: string
}

export interface Mutant {
  name: string
  make(): MutantPackage
}

function mutant(name: string, changes: Change[]): Mutant {
  return { name, make: () => makeMutant(changes) }
}

export const mutants: Mutant[] = [
  mutant('fdatasync of the CommitLog does nothing', [
    { file: 'stages/flush.js', from: /^\s*fdatasyncSync\(fd\);?$/m, to: '' },
  ]),
  mutant('folders are not synced', [
    { file: 'native/files.js', from: /checked\(addon\(\)\.syncFolder\(path\), 'fsync', path\);?/, to: '' },
    { file: 'store/metadata/durable-file.js', from: /^\s*fsyncSync\(fd\);?$/m, to: '' },
  ]),
  mutant('the position advances before the sync returns', [
    {
      file: 'stages/flush.js',
      from: /if \(!this\.syncSegment\(segment\)\)/,
      to: 'this.flushed.advance(Math.min(segment + segmentSize, target)); this.wakeOthers(); if (!this.syncSegment(segment))',
    },
  ]),
]

export const withoutRewrite = mutant('a start does not write the doubtful range again', [
  { file: 'store/recovery/recover-log.js', from: /^\s*rewriteRange\(this\..*$/m, to: ';' },
])

/** Senders are told that a message is safe before it is: what the loss experiment has to find. */
export const earlyAcknowledgements = {
  ofBoth: mutant('acknowledged once appended, with neither disk nor slave waited for', [
    { file: 'broker/acks.js', from: "this.ends[at] <= confirmed ? 'ok'", to: "true ? 'ok'" },
    // The network thread hears of it at once.
    { file: 'stages/append.js', from: 'this.wantsAnswerNow || !waitsForMore(gate)', to: 'true' },
    { file: 'stages/dledger.js', from: 'this.start.waker, append.hasRefused)', to: 'this.start.waker, true)' },
  ]),
  ofSlave: mutant("acknowledged before the slave's report", [
    {
      file: 'concurrency/control-block.js',
      from: /(confirmed\(\) \{[\s\S]*?)if \(\(gate & \(GATE\.replicated \| GATE\.degraded\)\) !== 0\)/,
      to: '$1if (false)',
    },
  ]),
  ofDisk: mutants[2],
}

/** Who judges too early, or never, when the process goes on after a pause. */
export const hasty: { broker: Mutant[]; namesrv: Mutant[] } = {
  broker: [
    mutant('silence is judged before the sockets are read', [
      { file: 'broker/broker.js', from: 'setImmediate(() => schedule.step())', to: 'schedule.step()' },
    ]),
    mutant('connections are called idle for its own silence', [
      { file: 'remoting/server.js', from: 'pauseMs > PAUSE_MS_MIN', to: 'false' },
    ]),
    mutant('locks do not expire', [
      { file: 'broker/groups/queue-locks.js', from: 'LOCK_MS_MAX = 60_000', to: 'LOCK_MS_MAX = 6_000_000' },
    ]),
    mutant('clients do not expire', [
      { file: 'broker/groups/consumer-manager.js', from: 'member.lastUpdate >= before', to: 'true' },
      { file: 'remoting/server.js', from: 'setImmediate(() => this.look(everyMs))', to: 'undefined' },
    ]),
    mutant('held pulls have no deadline', [{ file: 'broker/pull/holds.js', from: 'deadline <= now || ', to: '' }]),
    mutant('sends are answered twice', [
      {
        file: 'broker/acks.js',
        from: 'this.answer(connection, this.outcomeOf(at, status));',
        to: 'this.answer(connection, this.outcomeOf(at, status)); this.answer(connection, this.outcomeOf(at, status));',
      },
    ]),
  ],
  namesrv: [
    mutant('silence is judged before the sockets are read', [
      { file: 'namesrv/namesrv.js', from: 'setImmediate(step)', to: 'step()' },
    ]),
    mutant('brokers do not expire', [{ file: 'namesrv/namesrv.js', from: 'setImmediate(step)', to: 'undefined' }]),
  ],
}

/** Throws when a change finds nothing to change: the mutant has to follow the code. */
function makeMutant(changes: Change[]): MutantPackage {
  const build = join(PACKAGE, 'build')
  mkdirSync(build, { recursive: true })
  const root = mkdtempSync(join(build, 'mutant-'))
  cpSync(join(PACKAGE, 'dist'), join(root, 'dist'), { recursive: true })
  cpSync(join(PACKAGE, 'bin'), join(root, 'bin'), { recursive: true })
  cpSync(join(PACKAGE, 'package.json'), join(root, 'package.json'))
  symlinkSync(join(PACKAGE, 'native-bindings'), join(root, 'native-bindings'))
  mkdirSync(join(root, 'build'))
  symlinkSync(join(build, 'Release'), join(root, 'build', 'Release'))
  for (const { file, from, to } of changes) {
    const path = join(root, 'dist', file)
    const code = readFileSync(path, 'utf8')
    const changed = code.replace(from, to)
    if (changed === code) throw new Error(`${file} has nothing like ${from}: the mutant is out of date`)
    writeFileSync(path, changed)
  }
  return { root, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}
