/**
 * Compression of bodies: zlib, LZ4 (frames) and ZSTD, named in sysFlag (spec/broker-requests.md §1). Brokers never look inside.
 *
 * zlib is Node's own, ZSTD too from Node 22.15 on. LZ4 is the package lz4-napi, ZSTD on older Nodes the package zstd-napi:
 * loaded when a body needs them, and the error says which package is missing.
 */
import { createRequire } from 'node:module'
import * as zlib from 'node:zlib'
import { describe } from '../../errors.ts'
import { SYS_FLAG } from '../../store/commitlog/record-view.ts'
import { ClientError } from '../errors.ts'
import { lz4SizeMax } from './lz4-frame.ts'

/** How a body is compressed. */
export type CompressType = 'ZLIB' | 'LZ4' | 'ZSTD'
export const COMPRESS_TYPES: readonly CompressType[] = ['ZLIB', 'LZ4', 'ZSTD']

/** A body of 4 MiB that unpacks to more was made to hurt. */
const UNPACKED_MAX = 256 * 1024 * 1024
const FLAGS: Record<CompressType, number> = { LZ4: 0x100, ZSTD: 0x200, ZLIB: 0x300 }

type Code = (bytes: Uint8Array, options?: zlib.ZlibOptions & { params?: Record<number, number> }) => Buffer

interface Codec {
  compress(body: Uint8Array, level: number): Buffer
  decompress(body: Uint8Array): Buffer
}

const ZLIB: Codec = {
  compress: (body, level) => zlib.deflateSync(body, { level }),
  decompress: (body) => zlib.inflateSync(body, { maxOutputLength: UNPACKED_MAX }),
}

const loaded = new Map<CompressType, Codec>([['ZLIB', ZLIB]])

/** The bits of sysFlag that say how the body is compressed. */
export function compressionFlag(type: CompressType): number {
  return SYS_FLAG.compressed | FLAGS[type]
}

/** Undefined: not compressed. Old clients say nothing of the kind: that is zlib. */
export function compressionOf(sysFlag: number): CompressType | undefined {
  if ((sysFlag & SYS_FLAG.compressed) === 0) return undefined
  const kind = sysFlag & SYS_FLAG.compressionMask
  return kind === FLAGS.LZ4 ? 'LZ4' : kind === FLAGS.ZSTD ? 'ZSTD' : 'ZLIB'
}

/** Throws ClientError COMPRESSION. */
export function compress(body: Uint8Array, type: CompressType, level: number): Buffer {
  return run('compressed', type, (codec) => codec.compress(body, level))
}

export function decompress(body: Uint8Array, type: CompressType): Buffer {
  return run('decompressed', type, (codec) => codec.decompress(body))
}

/** Fails early where the package is missing. */
export function checkCompression(type: CompressType): void {
  codecOf(type)
}

function run(what: string, type: CompressType, code: (codec: Codec) => Buffer): Buffer {
  const codec = codecOf(type)
  try {
    return code(codec)
  } catch (cause) {
    throw new ClientError('COMPRESSION', { what: `a body cannot be ${what} with ${type}: ${describe(cause)}`, cause })
  }
}

function codecOf(type: CompressType): Codec {
  let codec = loaded.get(type)
  if (codec === undefined) {
    codec = type === 'LZ4' ? lz4() : zstd()
    loaded.set(type, codec)
  }
  return codec
}

function lz4(): Codec {
  const { compressFrameSync, decompressFrameSync } = load('LZ4', 'lz4-napi') as Record<
    string,
    (bytes: Buffer) => Buffer
  >
  return {
    compress: (body) => compressFrameSync(asBuffer(body)),
    decompress: (body) => {
      // The package has no bound of its own.
      const sizeMax = lz4SizeMax(body)
      if (sizeMax > UNPACKED_MAX) throw new RangeError(`it may unpack to ${sizeMax} bytes, more than ${UNPACKED_MAX}`)
      return decompressFrameSync(asBuffer(body))
    },
  }
}

function zstd(): Codec {
  const own = zlib as unknown as {
    zstdCompressSync?: Code
    zstdDecompressSync?: Code
    constants: Record<string, number>
  }
  const { zstdCompressSync, zstdDecompressSync } = own
  if (zstdCompressSync !== undefined && zstdDecompressSync !== undefined) {
    const level = own.constants.ZSTD_c_compressionLevel
    return {
      compress: (body, wanted) => zstdCompressSync(body, { params: { [level]: wanted } }),
      decompress: (body) => zstdDecompressSync(body, { maxOutputLength: UNPACKED_MAX }),
    }
  }
  const { compress: pack, decompress: unpack } = load('ZSTD', 'zstd-napi') as {
    compress(bytes: Uint8Array, parameters: { compressionLevel: number }): Buffer
    decompress(bytes: Uint8Array): Buffer
  }
  return { compress: (body, compressionLevel) => pack(body, { compressionLevel }), decompress: (body) => unpack(body) }
}

function load(type: CompressType, name: string): unknown {
  try {
    return createRequire(import.meta.url)(name) as unknown
  } catch (cause) {
    throw new ClientError('COMPRESSION', {
      what: `${type} needs the package ${name}, which cannot be loaded: ${describe(cause).split('\n')[0]}`,
      hint: `npm install ${name}${type === 'ZSTD' ? ', or run Node 22.15 or later' : ''}`,
      cause,
    })
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
