import { currentTime } from '../runtime/clock.ts'
import { closeAfterResponse, connect, type Sql } from '../runtime/database.ts'
import { type VaultBindings, vaultBindings } from './bindings.ts'

/** One invocation: its bindings, its decision time, and a connection that no other invocation uses. */
export type Visit = {
  readonly bindings: VaultBindings
  readonly sql: Sql
  /** Unix milliseconds. */
  readonly at: number
  readonly requestId: string
}

export async function visited<Value>(
  env: unknown,
  context: Pick<ExecutionContext, 'waitUntil'>,
  work: (visit: Visit) => Promise<Value>,
): Promise<Value> {
  const bindings = vaultBindings(env)
  const sql = connect(bindings.DB)
  try {
    return await work({ bindings, sql, at: await currentTime(bindings), requestId: crypto.randomUUID() })
  } finally {
    closeAfterResponse(context, sql)
  }
}
