/**
 * A process whose clocks a test sets (shim/clock.c). The machine's own clocks are left alone.
 *
 *   const clock = WrongClock.create(folder)         // undefined where there is no C compiler
 *   startBrokerProcess({ …, env: clock.env })
 *   clock.set(3_600_000)                            // the wall clock an hour ahead, from the next look on
 *   clock.stood(90_000)                             // while it is stopped: as if it had stood still a minute and a half longer
 */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCE = join(dirname(fileURLToPath(import.meta.url)), '..', 'shim', 'clock.c')

export class WrongClock {
  readonly env: Record<string, string>
  private readonly file: string

  private constructor(library: string, file: string) {
    this.file = file
    this.env = { LD_PRELOAD: library, BASALT_CLOCK_FILE: file }
    writeFileSync(file, Buffer.alloc(16))
  }

  static create(folder: string): WrongClock | undefined {
    const library = join(folder, 'clock.so')
    const result = spawnSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, SOURCE, '-ldl'], { encoding: 'utf8' })
    if (result.error !== undefined) {
      console.error('WRONG CLOCKS ARE NOT TESTED: there is no C compiler (cc) for the shim')
      return undefined
    }
    if (result.status !== 0) throw new Error(`the shim does not compile: ${result.stderr}`)
    return new WrongClock(library, join(folder, 'clock'))
  }

  /** Milliseconds by which the process's clock is ahead of the machine's. */
  set(milliseconds: number): void {
    this.write(0, milliseconds)
  }

  /** Milliseconds by which all of its clocks are ahead, beside what set() says. Only forward. */
  stood(milliseconds: number): void {
    this.write(8, milliseconds)
  }

  private write(at: number, milliseconds: number): void {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(milliseconds))
    const file = openSync(this.file, 'r+')
    try {
      writeSync(file, bytes, 0, 8, at)
    } finally {
      closeSync(file)
    }
  }
}
