// @ts-types="./node-net.d.ts"
import { createConnection } from 'node:net'
import {
  type ConsoleColumn,
  MAX_RESULT_BYTES,
  MAX_ROWS,
  STATEMENT_MS,
  type StatementAnswer,
} from 'domain/contracts/console.ts'
// @ts-types="./postgres-client.d.ts"
import postgres from 'postgres'
import { Refused } from '../_shared/errors.ts'
import { columnOf } from './columns.ts'
import { failureOf } from './failure.ts'
import type { Socket } from './node-net.d.ts'
import type { Column, RawQuery, Sql } from './postgres-client.d.ts'

export type Target = {
  readonly url: string
  readonly login: string
  readonly password: string
  readonly statementId: string
}
export type Ending = {
  /** Aborted when whoever asked goes away. */
  readonly signal: AbortSignal
  /** Ends the login's overdue sessions from outside: for a statement that swallows its cancellation. */
  readonly watchdog: () => Promise<unknown>
  readonly milliseconds?: number
}

const BATCH_ROWS = 500
const CONNECT_SECONDS = 5
/** How long a cancelled statement may take to end before the watchdog comes. */
const GRACE_MS = 2000
/** Bytes from Postgres that no result within the limits reaches: one row may be a gigabyte, and is not awaited. */
const MAX_WIRE_BYTES = 2 * MAX_RESULT_BYTES

type Why = 'statement_timed_out' | 'statement_cancelled' | 'result_too_large'
type Rows = {
  readonly columns: ConsoleColumn[]
  readonly rows: (string | null)[][]
  readonly truncated: boolean
}

/** A connection of its own, one unnamed statement in a transaction that reads, and then neither is left. */
export async function runStatement(target: Target, statement: string, ending: Ending): Promise<StatementAnswer> {
  const began = performance.now()
  const stopped = new AbortController()
  const stop = (why: Why) => stopped.abort(why)
  const timer = setTimeout(() => stop('statement_timed_out'), ending.milliseconds ?? STATEMENT_MS)
  const gone = () => stop('statement_cancelled')
  ending.signal.addEventListener('abort', gone)
  if (ending.signal.aborted) gone()
  const sql = connect(target, () => stop('result_too_large'))
  try {
    const read = await readOnce(sql, statement, stopped.signal, ending.watchdog)
    return { state: 'answered', ...read, milliseconds: Math.round(performance.now() - began) }
  } catch (error) {
    const why: unknown = stopped.signal.reason
    if (stopped.signal.aborted) return failureOf({ stopped: why as Why })
    if (error instanceof postgres.PostgresError) {
      if (error.code === TOO_MANY_CONNECTIONS) throw new Refused('console_busy')
      if (!error.code.startsWith('28')) return failureOf({ error })
    }
    // A session that was terminated, by a cancel as a rule; what Postgres said of it may be lost with the connection.
    if (error instanceof Error && 'code' in error && LOST.has(String(error.code))) {
      return failureOf({ stopped: 'statement_cancelled' })
    }
    throw new Refused('console_unreachable')
  } finally {
    clearTimeout(timer)
    ending.signal.removeEventListener('abort', gone)
    await sql.end({ timeout: 0 })
  }
}
const TOO_MANY_CONNECTIONS = '53300'
const LOST: ReadonlySet<string> = new Set(['CONNECTION_CLOSED', 'ECONNRESET', 'EPIPE'])

/**
 * The transaction ends with the connection: what postgres.js's own `begin` sends to roll back, it sends after a lost socket too, outside
 * of every promise, which would end the process.
 */
async function readOnce(
  sql: Sql,
  statement: string,
  stopped: AbortSignal,
  watchdog: Ending['watchdog'],
): Promise<Rows> {
  // Where it fetches no types, postgres.js reserves a connection that is open already, and never one that it opens for that.
  await sql.unsafe('select', [], SIMPLE)
  const session = await sql.reserve()
  await session.unsafe('begin read only', [], SIMPLE)
  stopped.throwIfAborted()
  const query = session.unsafe(statement, [], { prepare: false, simple: false }).raw()
  const ended = new AbortController()
  const guard = cancelWhen(stopped, query, watchdog, ended.signal)
  try {
    return await Promise.race([collect(sql, query), guard])
  } finally {
    ended.abort()
  }
}
const SIMPLE = { prepare: false, simple: true } as const

/** Rejects once a stopped statement is over, or past waiting for: a cancel first, the watchdog if that is not heeded. */
function cancelWhen(
  stopped: AbortSignal,
  query: { cancel: () => void },
  watchdog: Ending['watchdog'],
  ended: AbortSignal,
): Promise<never> {
  return new Promise((_, reject) => {
    const act = () => {
      query.cancel()
      const timer = setTimeout(() => {
        watchdog().then(
          () => reject(new Error('ended from outside')),
          (error: unknown) => reject(error),
        )
      }, GRACE_MS)
      ended.addEventListener('abort', () => clearTimeout(timer))
    }
    stopped.addEventListener('abort', act)
    ended.addEventListener('abort', () => stopped.removeEventListener('abort', act))
    if (stopped.aborted) act()
  })
}

/** Rows until a limit is reached. Values are text as Postgres wrote it. */
async function collect({ CLOSE }: Sql, query: RawQuery): Promise<Rows> {
  const rows: (string | null)[][] = []
  let size = 0
  let truncated = false
  let columns: readonly Column[] | undefined
  const decoder = new TextDecoder()
  const last = await query.cursor(BATCH_ROWS, async (batch) => {
    columns ??= batch.columns
    for (const row of batch) {
      size += row.reduce<number>((sum, value) => sum + (value?.length ?? 0) + 3, 2)
      if (rows.length === MAX_ROWS || size > MAX_RESULT_BYTES) {
        truncated = true
        return CLOSE
      }
      rows.push(row.map((value) => (value === null ? null : decoder.decode(value))))
    }
    return undefined
  })
  return { columns: (columns ?? last.columns ?? []).map(columnOf), rows, truncated }
}

function connect({ url, login, password, statementId }: Target, onTooMuch: () => void): Sql {
  const { hostname, port, pathname, searchParams } = new URL(url)
  return postgres({
    host: hostname,
    port: port === '' ? 5432 : Number(port),
    database: pathname.slice(1),
    username: login,
    password,
    ssl: searchParams.get('sslmode') === 'verify-full' ? 'verify-full' : false,
    max: 1,
    prepare: false,
    fetch_types: false,
    connect_timeout: CONNECT_SECONDS,
    idle_timeout: null,
    max_lifetime: null,
    max_pipeline: 1,
    keep_alive: null,
    backoff: false,
    onnotice: () => {},
    sslnegotiation: null,
    target_session_attrs: null,
    publications: 'alltables',
    debug: false,
    // What a cancel finds the session by.
    connection: { application_name: statementId },
    socket: () => countedSocket(hostname, port === '' ? 5432 : Number(port), onTooMuch),
  })
}

function countedSocket(host: string, port: number, onTooMuch: () => void): Promise<Socket> {
  return new Promise((opened, failed) => {
    const socket = createConnection({ host, port })
    Object.assign(socket, { host })
    let bytes = 0
    socket.on('data', ({ length }: Uint8Array) => {
      bytes += length
      if (bytes <= MAX_WIRE_BYTES) return
      onTooMuch()
      socket.destroy()
    })
    socket.once('error', failed)
    socket.once('connect', () => {
      socket.removeListener('error', failed)
      opened(socket)
    })
  })
}
