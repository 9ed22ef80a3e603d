/**
 * A configuration with all that is wrong in it: a broker stops at the first value that cannot be; here each is told, and left out for the
 * checks that follow.
 */
import { readFileSync } from 'node:fs'
import { basename, resolve as resolvePath } from 'node:path'
import { type Resolved, type ResolveOptions, resolveConfig } from '../config/index.ts'
import { ConfigError } from '../errors.ts'
import { type Finding, of } from './finding.ts'

export type Source = Pick<ResolveOptions<'broker'>, 'file' | 'set' | 'env'> & { cwd: string }

const WRONG_MAX = 100

/** Throws ConfigError for what cannot be left out: a file that cannot be read. */
export function resolveAll({ file, set = [], env, cwd }: Source): { resolved: Resolved<'broker'>; wrong: Finding[] } {
  const wrong: Finding[] = []
  let left = [...set]
  const path = file === undefined ? undefined : resolvePath(cwd, file)
  let lines: string[] | undefined
  for (;;) {
    try {
      const texts = path === undefined || lines === undefined ? undefined : new Map([[path, lines.join('\n')]])
      return { resolved: resolveConfig({ role: 'broker', file: path, set: left, env, cwd, texts }), wrong }
    } catch (error) {
      if (!(error instanceof ConfigError) || wrong.length >= WRONG_MAX) throw error
      const key = /^(\S+) is /.exec(error.what)?.[1] ?? ''
      const before = left.length
      left = left.filter(
        (one) => !(error.where === '--set' && (one.startsWith(`${key}=`) || error.what.includes(JSON.stringify(one)))),
      )
      const line = Number(/:(\d+)$/.exec(error.where ?? '')?.[1])
      const isOfFile = path !== undefined && error.where?.startsWith(`${basename(path)}:`) === true
      if (left.length === before && !(line > 0 && (isOfFile || error.where?.startsWith(`${path}:`)))) throw error
      if (left.length === before) {
        lines ??= readFileSync(path ?? '', 'utf8').split('\n')
        lines[line - 1] = ''
      }
      wrong.push(of('configuration')('bad', `${error.what} (${error.where})`, error.todo))
    }
  }
}
