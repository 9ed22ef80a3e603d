/**
 * A store for `once` that several processes share: one table in SQLite (node:sqlite, Node 22.5 and later). The same three statements
 * serve any SQL database.
 *
 *   const store = new SqliteOnceStore('orders.db')
 *   consumer.subscribe('Orders')
 *   listener: async ([message]) => { await once(message.keys, () => charge(message), store) }
 *
 * Where the effect is in this database too, `inTransaction` puts it and its mark into one transaction: a crash leaves both or none.
 */
/// <reference path="./node-sqlite.d.ts" />
import { DatabaseSync } from 'node:sqlite'
import type { ClaimState, OnceStore } from '../src/client/once/index.ts'

const TABLE = `CREATE TABLE IF NOT EXISTS consumed (
  key TEXT PRIMARY KEY,
  token TEXT NOT NULL,
  lease_until INTEGER NOT NULL, -- ms since 1970
  completed INTEGER NOT NULL DEFAULT 0
) STRICT`
/** Takes a free key, one of ours, or one whose lease has run out; changes nothing otherwise. */
const CLAIM = `INSERT INTO consumed (key, token, lease_until) VALUES (:key, :token, :now + :lease)
  ON CONFLICT (key) DO UPDATE SET token = excluded.token, lease_until = excluded.lease_until
  WHERE completed = 0 AND (token = excluded.token OR lease_until <= :now)`
const COMPLETE = 'UPDATE consumed SET completed = 1 WHERE key = :key AND token = :token AND completed = 0'
const RELEASE = 'DELETE FROM consumed WHERE key = :key AND token = :token AND completed = 0'
const IS_COMPLETED = 'SELECT completed FROM consumed WHERE key = :key'

export class SqliteOnceStore implements OnceStore {
  readonly database: DatabaseSync
  private readonly now: () => number

  constructor(path: string, now: () => number = Date.now) {
    this.database = new DatabaseSync(path)
    this.now = now
    this.database.exec('PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL')
    this.database.exec(TABLE)
  }

  claim(key: string, leaseMs: number, token: string): ClaimState {
    const { changes } = this.database.prepare(CLAIM).run({ key, token, now: this.now(), lease: leaseMs })
    if (changes === 1) return 'claimed'
    return this.isCompleted(key) ? 'completed' : 'busy'
  }

  complete(key: string, token: string): boolean {
    return this.database.prepare(COMPLETE).run({ key, token }).changes === 1
  }

  release(key: string, token: string): void {
    this.database.prepare(RELEASE).run({ key, token })
  }

  /**
   * Runs `effect` (statements on `database`, nothing that waits) and marks the key in the same transaction. False: it was done before.
   * Exactly once, whenever the process dies.
   */
  inTransaction(key: string, effect: (database: DatabaseSync) => void): boolean {
    this.database.exec('BEGIN IMMEDIATE')
    try {
      const isFirst = !this.isCompleted(key)
      if (isFirst) {
        effect(this.database)
        const mark = 'INSERT OR REPLACE INTO consumed (key, token, lease_until, completed) VALUES (?, ?, 0, 1)'
        this.database.prepare(mark).run(key, '')
      }
      this.database.exec('COMMIT')
      return isFirst
    } catch (error) {
      this.database.exec('ROLLBACK')
      throw error
    }
  }

  close(): void {
    this.database.close()
  }

  private isCompleted(key: string): boolean {
    const row = this.database.prepare(IS_COMPLETED).get({ key })
    return row !== undefined && Number(row.completed) === 1
  }
}
