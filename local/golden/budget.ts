import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { ProviderLimitsApi } from '../../domain/contracts/durable-objects.ts'
import { CallBudget } from '../../durable-objects/call-budget.ts'
import type { LedgerSql } from '../../durable-objects/ledger/platform.ts'

/** The bucket of one credential as its Durable Object keeps it, without workerd around it. A file survives whoever is killed. */
export function openBudget(file: string): ProviderLimitsApi {
  const budget = new CallBudget(sqliteOf(file))
  return {
    acquire: async (request) => budget.acquire(request),
    blockUntil: async (request) => budget.blockUntil(request),
  }
}

function sqliteOf(file: string): LedgerSql {
  const database = new DatabaseSync(file)
  const statements = new Map<string, StatementSync>()
  return {
    exec: <Columns extends Record<string, SqlStorageValue>>(
      query: string,
      ...bindings: (SqlStorageValue | Uint8Array)[]
    ) => {
      const statement = statements.get(query) ?? database.prepare(query)
      statements.set(query, statement)
      const values = bindings.map((value) => (value instanceof ArrayBuffer ? new Uint8Array(value) : value))
      // Columns are told by the caller, as `SqlStorage.exec` has it too.
      const rows = statement.all(...values) as Columns[]
      return {
        toArray: () => rows,
        one: () => {
          const [row] = rows
          if (row === undefined || rows.length > 1) throw new Error('expected exactly one row')
          return row
        },
      }
    },
  }
}
