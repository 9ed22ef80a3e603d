/** The terminal of this process, for those commands that ask, draw or read. */
import { createInterface } from 'node:readline/promises'
import type { Io, Terminal } from './io.ts'

export function processTerminal(): Pick<Io, 'terminal' | 'input'> {
  return { terminal: process.stdout.isTTY ? terminal() : undefined, input }
}

async function input(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array)
  return Buffer.concat(chunks)
}

function terminal(): Terminal {
  return {
    get columns() {
      return process.stdout.columns
    },
    get rows() {
      return process.stdout.rows
    },
    ask: process.stdin.isTTY ? ask : undefined,
    onKey,
  }
}

async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await lines.question(question)
  } finally {
    lines.close()
  }
}

function onKey(listener: (key: string) => void): () => void {
  const { stdin } = process
  if (!stdin.isTTY) return () => {}
  const heard = (bytes: Buffer) => listener(bytes.toString())
  stdin.setRawMode(true)
  stdin.on('data', heard)
  stdin.resume()
  return () => {
    stdin.off('data', heard)
    stdin.setRawMode(false)
    stdin.pause()
  }
}
