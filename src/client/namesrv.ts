/**
 * NameServers: a random one first, kept until it does not answer, then the next (spec/remoting.md §7). They do not talk to each
 * other, so any of them is asked alone.
 */
import type { RemotingClient } from '../remoting/client.ts'
import type { RemotingCommand } from '../remoting/command.ts'
import { asClientError, ClientError } from './errors.ts'

export class Namesrvs {
  readonly addresses: readonly string[]
  private readonly remoting: RemotingClient
  private current: number

  constructor(addresses: readonly string[], remoting: RemotingClient) {
    this.addresses = shuffled(addresses)
    this.remoting = remoting
    this.current = 0
  }

  /** The one that is asked next. */
  get preferred(): string {
    return this.addresses[this.current]
  }

  /** The first answer, whatever its code. Each is given `timeoutMs`; NO_NAMESRV when none of them answers. */
  async ask(request: RemotingCommand, timeoutMs: number): Promise<RemotingCommand> {
    const failures: ClientError[] = []
    const first = this.current
    for (let turn = 0; turn < this.addresses.length; turn++) {
      const at = (first + turn) % this.addresses.length
      try {
        const answer = await this.remoting.invoke(this.addresses[at], request, timeoutMs)
        this.current = at
        return answer
      } catch (error) {
        const failure = asClientError(error, this.addresses[at])
        if (failure.code === 'CLIENT_CLOSED') throw failure
        failures.push(failure)
      }
    }
    throw new ClientError('NO_NAMESRV', {
      what: `no NameServer answers: ${failures.map(({ message }) => message).join('; ')}`,
      hint: 'start one, or give the addresses of those that run in nameserver',
      retriable: true,
      cause: failures[0],
    })
  }
}

function shuffled<T>(list: readonly T[]): T[] {
  const out = [...list]
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    const kept = out[i]
    out[i] = out[j]
    out[j] = kept
  }
  return out
}
