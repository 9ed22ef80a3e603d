/**
 * The folder that holds the rules: plain_acl.yml, and every *.yml and *.yaml below acl/.
 *
 * RocketMQ's order: files below acl/ first; of an access key that two files have, the first one counts. What begins with a
 * dot is left out: mounted configuration folders show each file a second time there.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

export const DEFAULT_FILE = 'plain_acl.yml'
export const FOLDER = 'acl'

/** Paths of the files that are there. */
async function aclPaths(folder: string): Promise<string[]> {
  const paths = await yamlBelow(join(folder, FOLDER))
  const own = join(folder, DEFAULT_FILE)
  if ((await stat(own).catch(absent))?.isFile()) paths.push(own)
  return paths
}

async function yamlBelow(folder: string): Promise<string[]> {
  const found: string[] = []
  const names = (await readdir(folder).catch(absent)) ?? []
  for (const name of names.filter((each) => !each.startsWith('.')).sort()) {
    const path = join(folder, name)
    const status = await stat(path).catch(absent)
    if (status?.isDirectory()) found.push(...(await yamlBelow(path)))
    else if (status !== undefined && /\.ya?ml$/.test(name)) found.push(path)
  }
  return found
}

/** Undefined: the system's errors are the caller's, but what is not there is not there. */
function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error
}

export async function readTexts(folder: string): Promise<Map<string, string>> {
  const texts = new Map<string, string>()
  for (const path of await aclPaths(folder)) texts.set(path, await readFile(path, 'utf8'))
  return texts
}

/** Another one as soon as a file comes, goes or is written. */
export async function fingerprintOf(folder: string): Promise<string> {
  const parts: string[] = []
  for (const path of await aclPaths(folder)) {
    const { mtimeMs, size, ino } = await stat(path)
    parts.push(`${path} ${mtimeMs} ${size} ${ino}`)
  }
  return parts.join('\n')
}
