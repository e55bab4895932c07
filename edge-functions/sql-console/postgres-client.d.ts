/** What the console uses of postgres.js. The package's own types ask for those of Node, which Deno has not. */
import type { Socket } from './node-net.d.ts'

export type Column = { readonly name: string; readonly type: number }
/** Values as Postgres wrote them. */
export type RawRows = readonly (readonly (Uint8Array | null)[])[] & { readonly columns?: readonly Column[] }
export type RawQuery = {
  /** Sends a CancelRequest on a connection of its own. */
  readonly cancel: () => void
  /** Rows in batches; an answer of `CLOSE` ends them. */
  readonly cursor: (rows: number, each: (batch: RawRows) => Promise<unknown>) => Promise<RawRows>
}
export type Session = {
  readonly unsafe: (
    statement: string,
    values: readonly never[],
    options: { readonly prepare: false; readonly simple: boolean },
  ) => PromiseLike<unknown> & { readonly raw: () => RawQuery }
}
export type Sql = Session & {
  readonly CLOSE: object
  readonly reserve: () => Promise<Session>
  readonly end: (options: { readonly timeout: number }) => Promise<void>
}
/** All of them, since what is left out is read from the environment. */
export type Options = {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly username: string
  readonly password: string
  readonly ssl: 'verify-full' | false
  readonly sslnegotiation: null
  readonly target_session_attrs: null
  readonly max: 1
  readonly prepare: false
  readonly fetch_types: false
  readonly publications: 'alltables'
  readonly debug: false
  readonly connection: { readonly application_name: string }
  readonly connect_timeout: number
  readonly idle_timeout: null
  readonly max_lifetime: null
  readonly max_pipeline: 1
  readonly keep_alive: null
  readonly backoff: false
  readonly onnotice: () => void
  readonly socket: () => Promise<Socket>
}

declare class PostgresError extends Error {
  readonly code: string
  readonly position?: string
}
declare function postgres(options: Options): Sql
declare namespace postgres {
  export { PostgresError }
}
export default postgres
