/** A link (link.ts) in a process of its own, so that what it does is not done by anybody who is measured. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PACKAGE } from './broker-node.ts'
import { ServerProcess, until } from './server-process.ts'

const READY_MS_MAX = 10_000

export interface LinkServer {
  /** What to connect to instead. */
  readonly address: string
  readonly process: ServerProcess
}

/** To "host:port". `folder`: for its log. */
export async function startLink(target: string, rttMs: number, folder: string): Promise<LinkServer> {
  const log = join(folder, 'link.out')
  const server = new ServerProcess({
    name: 'link',
    command: process.execPath,
    args: [join(PACKAGE, 'dist', 'bench', 'link-process.js'), target, String(rttMs)],
    cwd: folder,
    log,
    ownGroup: true,
  })
  const address = () => /^link (\S+)$/m.exec(readFileSync(log, 'utf8'))?.[1]
  await until(() => address() !== undefined, READY_MS_MAX, server)
  return { address: address()!, process: server }
}
