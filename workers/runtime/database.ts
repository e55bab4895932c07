import postgres from 'postgres'
import type { SocketTarget, StreamingSocket } from './streaming-socket.ts'

/** `bigint` columns arrive as numbers: sequence numbers and sizes stay far below 2^53. */
const INT8_OID = 20
const types = {
  bigint: { to: INT8_OID, from: [INT8_OID], serialize: String, parse: safeInteger },
} satisfies Record<string, postgres.PostgresType<number>>

export type Sql = postgres.Sql<{ bigint: number }>
export type Transaction = postgres.TransactionSql<{ bigint: number }>
/** For a statement that reads no eight-byte number, so that it does not matter what one becomes. */
export type PlainTransaction = postgres.TransactionSql

/** How the client reaches the server, where that is not postgres.js's own socket. */
export type Transport = { readonly socket?: (target: SocketTarget) => Promise<StreamingSocket> }

/** Workers allow six connections at a time; one invocation needs few. */
const MAX_CONNECTIONS = 3
const CONNECT_TIMEOUT_SECONDS = 5
/** From the first query to the server's first word. */
const GREETING_TIMEOUT_MS = 4_000
const CLOSE_TIMEOUT_SECONDS = 5

/**
 * A client over Hyperdrive, which pools by transaction: so no named prepared statements and no type look-up at start.
 * One per invocation; a socket of one request may not be used by another.
 */
export function connect(hyperdrive: Hyperdrive, transport: Transport = {}): Sql {
  let greeted = false
  const sql = postgres(hyperdrive.connectionString, {
    ...transport,
    prepare: false,
    fetch_types: false,
    max: MAX_CONNECTIONS,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    onnotice: () => {},
    onparameter: () => {
      greeted = true
    },
    types,
  })
  return givingUpOn(sql, () => greeted)
}

/**
 * postgres.js dials again without pause or end when a server takes the connection and closes it before it has said a word,
 * as a proxy in front of a dead Postgres does. Ending the client rejects what waits on it.
 */
function givingUpOn(sql: Sql, greeted: () => boolean): Sql {
  let watching = false
  const watch = () => {
    if (watching) return
    watching = true
    setTimeout(() => {
      if (!greeted()) void sql.end({ timeout: 0 }).catch(() => {})
    }, GREETING_TIMEOUT_MS)
  }
  return new Proxy(sql, {
    apply: (target, self, query) => {
      watch()
      return Reflect.apply(target, self, query)
    },
    get: (target, name) => {
      if (name === 'begin') watch()
      return Reflect.get(target, name)
    },
  })
}

/** Runs `work` with a client and closes it after the answer has left. */
export async function withDatabase<Value>(
  hyperdrive: Hyperdrive,
  context: Pick<ExecutionContext, 'waitUntil'>,
  work: (sql: Sql) => Promise<Value>,
  transport: Transport = {},
): Promise<Value> {
  const sql = connect(hyperdrive, transport)
  try {
    return await work(sql)
  } finally {
    closeAfterResponse(context, sql)
  }
}

export function closeAfterResponse(context: Pick<ExecutionContext, 'waitUntil'>, sql: Sql): void {
  context.waitUntil(sql.end({ timeout: CLOSE_TIMEOUT_SECONDS }).catch(() => {}))
}

/** The SQLSTATE of a Postgres refusal; null when the database was not reached at all. */
export function sqlStateOf(error: unknown): string | null {
  return error instanceof postgres.PostgresError ? error.code : null
}

function safeInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError('a bigint column is beyond 2^53')
  return value
}
