/** Whether a command may use colours, and how: on terminals that did not say no (https://no-color.org). */
import type { Io } from './io.ts'

/** FORCE_COLOR is for what draws terminals. */
export function hasColours({ env, terminal }: Pick<Io, 'env' | 'terminal'>): boolean {
  if ((env.NO_COLOR ?? '') !== '') return false
  if ((env.FORCE_COLOR ?? '') !== '') return env.FORCE_COLOR !== '0'
  return terminal !== undefined && env.TERM !== 'dumb'
}

/** `style`: the numbers of an SGR sequence. */
export type Paint = (style: string, text: string) => string

export function painter(isOn: boolean): Paint {
  return (style, text) => (isOn && text !== '' ? `\u001b[${style}m${text}\u001b[0m` : text)
}

/** Of 256 colours those that are read on light and on dark grounds. */
export const STYLE = { bold: '1', dim: '2', bad: '1;38;5;197', warn: '38;5;208', good: '38;5;36' } as const
