/** A slave made of a socket: it says what a test wants. */
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { encodeReport, TransferSplitter } from '../../src/ha/protocol.ts'
import { haAddress, type Node } from './support.ts'

/** What it got, and when it was closed. */
export class HandMade {
  readonly frames: { offset: number; length: number }[] = []
  bytes = 0
  isClosed = false
  readonly socket: Socket

  constructor(master: Node) {
    const [host, port] = haAddress(master).split(':')
    this.socket = connect({ host, port: Number(port), noDelay: true })
    const splitter = new TransferSplitter({
      frame: (offset, length) => this.frames.push({ offset, length }) > 0,
      bytes: (_chunk, from, to) => {
        this.bytes += to - from
        return true
      },
    })
    this.socket.on('data', (chunk: Buffer) => splitter.take(chunk))
    this.socket.on('close', () => {
      this.isClosed = true
    })
    this.socket.on('error', () => {})
    onTestFinished(() => void this.socket.destroy())
  }

  say(...ends: (number | bigint)[]): void {
    this.socket.write(Buffer.concat(ends.map((each) => (typeof each === 'bigint' ? raw(each) : encodeReport(each)))))
  }
}

function raw(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return bytes
}
