/**
 * A store whose file system becomes read-only under a process (shim/read-only.c).
 *
 *   test.runIf(ReadOnlyDisk.isThere())                  // there is a C compiler
 *   const disk = ReadOnlyDisk.create(folder, store)
 *   startBrokerProcess({ folder: store, env: disk.env })
 *   disk.isReadOnly = true
 */
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCE = join(dirname(fileURLToPath(import.meta.url)), '..', 'shim', 'read-only.c')

export class ReadOnlyDisk {
  readonly env: Record<string, string>
  private readonly file: string

  private constructor(library: string, store: string, file: string) {
    this.file = file
    this.env = { LD_PRELOAD: library, BASALT_RO_FOLDER: store, BASALT_RO_SWITCH: file }
  }

  static isThere(): boolean {
    const is = spawnSync('cc', ['--version']).error === undefined
    if (!is) console.error('READ-ONLY DISKS ARE NOT TESTED: there is no C compiler (cc) for the shim')
    return is
  }

  /** `folder`: for the library and the switch, outside of `store`. */
  static create(folder: string, store: string): ReadOnlyDisk {
    const library = join(folder, 'read-only.so')
    const result = spawnSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, SOURCE, '-ldl'], { encoding: 'utf8' })
    if (result.status !== 0) throw new Error(`the shim does not compile: ${result.stderr}`)
    return new ReadOnlyDisk(library, store, join(folder, 'is-read-only'))
  }

  get isReadOnly(): boolean {
    return existsSync(this.file)
  }

  set isReadOnly(is: boolean) {
    if (is) writeFileSync(this.file, '')
    else rmSync(this.file, { force: true })
  }
}
