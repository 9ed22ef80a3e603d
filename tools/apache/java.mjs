// @ts-check
/**
 * Runs our small Java programs (test/interop/java) against the jars of one Apache version, compiled once into its cache.
 *
 *     const producer = runJava({ version: '4.9.7', main: 'Produce', args: ['topic=T', 'count=10'], folder })
 *     const { status, lines } = await producer.ended     // lines: fields parted by tabs
 */
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { apacheJars, javaArguments } from './apache.mjs'

const SOURCES = join(resolve(dirname(fileURLToPath(import.meta.url)), '../..'), 'test', 'interop', 'java')
const HEAP = ['-Xms64m', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']

/** @type {Map<string, string>} */
const compiled = new Map()

/**
 * The folder of class files for these jars; compiles when the sources have changed.
 * @param {import('./fetch.mjs').ApacheJars} jars
 */
export function compiledClasses(jars) {
  const known = compiled.get(jars.folder) ?? compile(jars)
  compiled.set(jars.folder, known)
  return known
}

/** @param {import('./fetch.mjs').ApacheJars} jars */
function compile(jars) {
  const names = readdirSync(SOURCES)
    .filter((name) => name.endsWith('.java'))
    .sort()
  const hash = createHash('sha256')
  for (const name of names) hash.update(readFileSync(join(SOURCES, name)))
  const folder = join(jars.folder, `classes-${hash.digest('hex').slice(0, 12)}`)
  if (existsSync(folder)) return folder
  const work = mkdtempSync(join(jars.folder, 'compile-'))
  try {
    const sources = names.map((name) => join(SOURCES, name))
    execFileSync('javac', ['-nowarn', '-encoding', 'UTF-8', '-cp', jars.classpath, '-d', work, ...sources], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    renameSync(work, folder)
  } catch (error) {
    // Somebody else has compiled them meanwhile.
    if (!existsSync(folder)) throw error
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return folder
}

export class JavaProgram {
  /** @param {{version: string, main: string, args: string[], folder: string, java?: string[]}} options folder: for its logs; java: of the JVM */
  constructor(options) {
    const jars = apacheJars(options.version)
    mkdirSync(options.folder, { recursive: true })
    this.name = `${options.main} (${options.version})`
    /** @type {string[][]} */
    this.lines = []
    this.stderr = ''
    this.finished = false
    /** @type {Set<() => void>} */
    this.watchers = new Set()
    const args = [
      ...HEAP,
      ...(options.java ?? []),
      ...javaArguments(jars, options.folder, [compiledClasses(jars)]),
      'Run',
      options.main,
      ...options.args,
    ]
    this.child = spawn('java', args, { cwd: options.folder, stdio: ['ignore', 'pipe', 'pipe'] })
    this.child.stderr.on('data', (chunk) => {
      this.stderr = (this.stderr + chunk).slice(-20_000)
    })
    const reader = createInterface({ input: this.child.stdout })
    reader.on('line', (line) => {
      this.lines.push(line.split('\t'))
      for (const watcher of this.watchers) watcher()
    })
    /** @type {Promise<{status: number | null, lines: string[][]}>} */
    this.ended = new Promise((done) => {
      let status = /** @type {number | null} */ (null)
      let parts = 2
      const part = () => {
        if (--parts > 0) return
        this.finished = true
        writeFileSync(join(options.folder, 'stderr.txt'), this.stderr)
        for (const watcher of this.watchers) watcher()
        done({ status, lines: this.lines })
      }
      this.child.once('exit', (code) => {
        status = code
        part()
      })
      reader.once('close', part)
    })
  }

  /** The lines that start with `kind`, without it. @param {string} kind */
  of(kind) {
    return this.lines.filter((line) => line[0] === kind).map((line) => line.slice(1))
  }

  /** Waits until the program has printed `count` lines of a kind; throws when it ends before. */
  async until(/** @type {string} */ kind, count = 1, timeoutMs = 60_000) {
    let seen = 0
    let at = 0
    const enough = () => {
      for (; at < this.lines.length; at++) if (this.lines[at][0] === kind) seen++
      return seen >= count
    }
    if (enough()) return
    await new Promise((done, failed) => {
      const finish = (/** @type {Error | undefined} */ error) => {
        this.watchers.delete(watcher)
        clearTimeout(timer)
        if (error === undefined) done(undefined)
        else failed(error)
      }
      const watcher = () => {
        if (enough()) finish(undefined)
        else if (this.finished)
          finish(new Error(`${this.name} ended after ${seen} of ${count} ${kind}: ${this.stderr.slice(-2000)}`))
      }
      const timer = setTimeout(
        () =>
          finish(
            new Error(`${this.name}: ${seen} of ${count} ${kind} in ${timeoutMs} ms\n${this.stderr.slice(-2000)}`),
          ),
        timeoutMs,
      )
      this.watchers.add(watcher)
    })
  }

  async kill() {
    this.child.kill('SIGKILL')
    await this.ended
  }
}

/** @param {{version: string, main: string, args: string[], folder: string, java?: string[]}} options */
export function runJava(options) {
  return new JavaProgram(options)
}

/**
 * Runs mqadmin commands in one JVM. Returns the text that each printed. `account`: who it is for a broker with access rules.
 * @param {{version: string, folder: string, commands: string[][], java?: string[], account?: {accessKey: string, secretKey: string}}} options
 * @returns {Promise<string[]>}
 */
export async function mqadmin(options) {
  const args = options.commands.flatMap((command, index) => (index === 0 ? command : ['--', ...command]))
  const { version, folder, java, account } = options
  if (account !== undefined) {
    const conf = join(folder, 'home', 'conf')
    mkdirSync(conf, { recursive: true })
    writeFileSync(join(conf, 'tools.yml'), `accessKey: ${account.accessKey}\nsecretKey: ${account.secretKey}\n`)
  }
  const program = runJava({ version, main: 'Admin', args, folder, ...(java && { java }) })
  const { lines } = await program.ended
  /** @type {string[]} */
  const outputs = options.commands.map(() => '')
  let current = -1
  for (const fields of lines) {
    const line = fields.join('\t')
    const begin = /^=== BEGIN (\d+)$/.exec(line)
    if (begin !== null) current = Number(begin[1])
    else if (/^=== END \d+$/.test(line)) current = -1
    else if (current >= 0) outputs[current] += `${line}\n`
  }
  if (program.stderr !== '') outputs[outputs.length - 1] += program.stderr
  return outputs
}
