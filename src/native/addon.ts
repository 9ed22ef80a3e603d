/**
 * Loading build/Release/basalt.node (native-bindings/, built at install) and naming what its calls return.
 *
 * Importing never throws: what needs the addon throws a NativeError at its first use, which says what to install. One
 * build serves Node 20, 22 and 24, in the main thread and in workers. A failed system call is a Node-style Error with
 * code, errno and syscall.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getSystemErrorMap } from 'node:util'
import { describe, NativeError } from '../errors.ts'

/** The functions of native-bindings/basalt.cc. Results below 0 are negative errno. */
export interface Addon {
  reserve(size: number): ArrayBuffer | number
  mapFile(slot: ArrayBuffer, fd: number, fileOffset: number, length: number, writable: boolean): number
  overlay(slot: ArrayBuffer): number
  resident(slot: ArrayBuffer, offset: number, length: number): number
  advise(slot: ArrayBuffer, offset: number, length: number, advice: number): number
  syncMap(slot: ArrayBuffer, offset: number, length: number): number
  lockMemory(slot: ArrayBuffer, offset: number, length: number): number
  unlockMemory(slot: ArrayBuffer, offset: number, length: number): number
  allocate(fd: number, offset: number, length: number, keepSize: boolean): number
  punch(fd: number, offset: number, length: number): number
  nextData(fd: number, offset: number): number
  syncData(fd: number): number
  syncFolder(path: string): number
  lockRange(fd: number, offset: number, length: number): number
  setNice(nice: number): number
  listenReusePort(host: string, port: number, backlog: number): number
  openWaker(callback: () => void): bigint
  closeWaker(handle: bigint): void
  wake(handle: bigint): void
  copy(to: Uint8Array, at: number, from: Uint8Array, start: number, length: number): void
  copyWithCrc(to: Uint8Array, at: number, from: Uint8Array, start: number, length: number): number
  crc32(bytes: Uint8Array, start: number, length: number): number
  readonly pageSize: number
  readonly MADV_RANDOM: number
  readonly MADV_SEQUENTIAL: number
  readonly MADV_WILLNEED: number
  readonly MADV_DONTNEED: number
  readonly MADV_POPULATE_READ?: number
  readonly MADV_POPULATE_WRITE?: number
}

/** Both src/native and dist/native lie two folders below the package. */
const PATH = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'build', 'Release', 'basalt.node')

let loaded: Addon | NativeError | undefined

function load(): Addon | NativeError {
  try {
    return createRequire(import.meta.url)(PATH) as Addon
  } catch (cause) {
    return new NativeError('ADDON_MISSING', {
      what: `the addon cannot be loaded: ${describe(cause).split('\n')[0]}`,
      where: PATH,
      todo: 'install a C++ compiler (Debian: apt-get install g++; macOS: xcode-select --install) and run "npm run install" in the package',
      cause,
    })
  }
}

/** Why the addon does not work here, or undefined when it does. */
export function nativeMissing(): NativeError | undefined {
  loaded ??= load()
  return loaded instanceof NativeError ? loaded : undefined
}

/** The addon, or a NativeError thrown. */
export function addon(): Addon {
  loaded ??= load()
  if (loaded instanceof NativeError) throw loaded
  return loaded
}

/** What Node throws for a failed system call. */
export interface SystemError extends Error {
  code: string
  errno: number
  syscall: string
  path?: string
}

/** `negative` is -errno, as the addon returns it. */
export function systemError(negative: number, syscall: string, path?: string): SystemError {
  const [code, text] = getSystemErrorMap().get(negative) ?? [`E${-negative}`, 'unknown error']
  const where = path === undefined ? '' : ` '${path}'`
  const error = new Error(`${code}: ${text}, ${syscall}${where}`)
  return Object.assign(error, { code, errno: negative, syscall }, path === undefined ? {} : { path })
}

/** The result itself, or the error that it stands for thrown. */
export function checked(result: number, syscall: string, path?: string): number {
  if (result < 0) throw systemError(result, syscall, path)
  return result
}
