// @ts-check
/**
 * Apache RocketMQ's own jars, from Maven Central, into a cache folder: the oracle of test/interop and bench/.
 *
 *     node tools/apache/fetch.mjs 4.9.7        prints the class path
 *
 * Cache:     .cache/apache/<version>/lib/*.jar, or under $BASALT_APACHE_CACHE. Nothing of it is committed.
 * Blocks on: one run of `mvn` when the cache is empty. Where java, mvn or the registry are missing the answer says so
 *            ({available: false, reason}): callers skip loudly and go on.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const APACHE_VERSIONS = /** @type {const} */ (['4.9.7', '5.3.3'])
const ARTIFACTS = ['rocketmq-broker', 'rocketmq-namesrv', 'rocketmq-client', 'rocketmq-tools']
const MVN_TIMEOUT_MS = 240_000
const project = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/**
 * @typedef {{available: true, version: string, folder: string, classpath: string, java: number}} ApacheJars
 * @typedef {{available: false, version: string, reason: string}} ApacheMissing
 */

export function apacheCache() {
  return resolve(process.env.BASALT_APACHE_CACHE ?? join(project, '.cache', 'apache'))
}

let knownJava = -1

/** Major version of the java on PATH, 0 when there is none; asked for once. */
export function javaVersion() {
  if (knownJava < 0) knownJava = askJava()
  return knownJava
}

function askJava() {
  const out = spawnSync('java', ['-version'], { encoding: 'utf8' })
  const match = /version "(\d+)(?:\.(\d+))?/.exec(out.stderr ?? '')
  if (match === null) return 0
  return match[1] === '1' ? Number(match[2]) : Number(match[1])
}

/**
 * The jars of one version: from the cache, else by mvn. Never throws for what the machine lacks.
 * @param {string} version
 * @returns {ApacheJars | ApacheMissing}
 */
export function resolveApache(version) {
  if (!/^\d+\.\d+\.\d+$/.test(version)) {
    return {
      available: false,
      version,
      reason: `'${version}' is no version; known to work: ${APACHE_VERSIONS.join(', ')}`,
    }
  }
  const java = javaVersion()
  if (java === 0) return { available: false, version, reason: 'no java on PATH (a JDK 8 or later is needed)' }
  const folder = join(apacheCache(), version)
  const lib = join(folder, 'lib')
  if (!existsSync(lib)) {
    const reason = download(version, folder, lib)
    if (reason !== undefined) return { available: false, version, reason }
  }
  const jars = readdirSync(lib)
    .filter((name) => name.endsWith('.jar'))
    .sort()
  for (const artifact of ARTIFACTS) {
    if (!jars.includes(`${artifact}-${version}.jar`)) {
      return {
        available: false,
        version,
        reason: `${artifact}-${version}.jar is not in ${lib}: delete that folder to fetch again`,
      }
    }
  }
  return { available: true, version, folder, classpath: jars.map((jar) => join(lib, jar)).join(':'), java }
}

/**
 * Copies the jars into a folder beside `lib` and renames it: a broken run leaves no half cache.
 * @param {string} version
 * @param {string} folder
 * @param {string} lib
 * @returns {string | undefined} why it could not be done
 */
function download(version, folder, lib) {
  mkdirSync(folder, { recursive: true })
  const work = mkdtempSync(join(folder, 'fetch-'))
  try {
    const dependencies = ARTIFACTS.map(
      (id) =>
        `<dependency><groupId>org.apache.rocketmq</groupId><artifactId>${id}</artifactId><version>${version}</version></dependency>`,
    )
    writeFileSync(
      join(work, 'pom.xml'),
      `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>basaltmq.tools</groupId><artifactId>apache-classpath</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>${dependencies.join('\n')}</dependencies></project>
`,
    )
    execFileSync(
      'mvn',
      ['-q', '-B', 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${join(work, 'lib')}`],
      { cwd: work, timeout: MVN_TIMEOUT_MS, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' },
    )
    if (!existsSync(lib)) renameSync(join(work, 'lib'), lib)
    return undefined
  } catch (error) {
    const e = /** @type {NodeJS.ErrnoException & {stdout?: string}} */ (error)
    if (e.code === 'ENOENT') return 'no mvn on PATH (Apache Maven fetches the jars)'
    const line = (e.stdout ?? '').split('\n').find((text) => text.includes('ERROR')) ?? e.message
    return `mvn could not fetch the jars of ${version}: ${line.slice(0, 300)}`
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const version = process.argv[2]
  if (version === undefined) {
    console.error('usage: node tools/apache/fetch.mjs VERSION   (for example 4.9.7 or 5.3.3); prints the class path')
    process.exit(2)
  }
  const jars = resolveApache(version)
  if (!jars.available) {
    console.error(`Apache RocketMQ ${version} is unavailable: ${jars.reason}`)
    process.exit(1)
  }
  console.log(jars.classpath)
}
