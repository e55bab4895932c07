import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type as, asConnector, asGateway, connectAs, refusal, rolledBack, type Tx } from './database.ts'
import { seedWorld } from './world.ts'

/** docs/threat-model.md, where it can be tried in SQL: what code of an intruder's choice gets with the role of one part. */
const sql = connectAs('supabase_admin')

/** What opens a credential, or is one: no column of these is for a part that talks to browsers or providers' networks alone. */
const KEYS_AND_RECORDS = ['wrapped_dek', 'wrapped_key', 'ciphertext', 'salt', 'check_value', 'code_hash']

async function tablesOf(tx: Tx): Promise<string[]> {
  const rows = await tx<{ name: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('flarewatch', 'warehouse') and c.relkind in ('r', 'p', 'v') order by 1`
  return rows.map(({ name }) => name)
}

async function columnsFor(tx: Tx, role: string): Promise<string[]> {
  const rows = await tx<{ name: string }[]>`
    select distinct c.relname || '.' || a.attname as name
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'flarewatch' and a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p')
      and a.attname in ${tx(KEYS_AND_RECORDS)} and has_column_privilege(${role}, c.oid, a.attnum, 'SELECT') order by 1`
  return rows.map(({ name }) => name)
}

/** Tables of which the role sees any row at all. */
async function seenBy(tx: Tx, role: Parameters<typeof as>[1]): Promise<string[]> {
  const seen: string[] = []
  for (const table of await tablesOf(tx)) {
    const any = async (inner: Tx) => {
      if ((await inner.unsafe(`select count(*)::int as n from ${table}`))[0]?.n > 0) seen.push(table)
    }
    await refusal(tx, role, any)
  }
  return seen
}

describe('T6: a gateway that is taken over', () => {
  test('reads no wrap, no record, no salt and no hash of a code, whatever it claims to be', () =>
    rolledBack(sql, async (tx) => {
      expect(await columnsFor(tx, 'flarewatch_gateway')).toEqual([])
    }))

  test('sees no tenant by claims of a member of another, or of nobody', () =>
    rolledBack(sql, async (tx) => {
      const { ash, birch } = await seedWorld(tx)
      for (const sub of [ash.owner, randomUUID()]) {
        const claims = { sub, aal: 'aal2', tenant_id: birch.id } as const
        const seen = await asGateway(tx, claims, () =>
          Promise.all(
            ['sites', 'credentials', 'audit_log', 'facts_hourly', 'incidents'].map(async (table) => {
              const rows = await tx`select 1 from ${tx(`flarewatch.${table}`)} where tenant_id = ${birch.id}`
              return rows.length
            }),
          ),
        )
        expect(seen).toEqual([0, 0, 0, 0, 0])
      }
    }))
})

describe('T6: a connector that is taken over', () => {
  test('without a leased job sees no row of any table, and swaps no record', () =>
    rolledBack(sql, async (tx) => {
      await seedWorld(tx)
      await tx`update flarewatch.jobs set state = 'done', run_state = 'complete', finished_at = now() where state = 'leased'`
      expect(await seenBy(tx, 'flarewatch_connector')).toEqual([])
      await asConnector(tx, randomUUID(), new Date(), async () => {
        expect((await tx`select 1 from flarewatch.credentials`).length).toBe(0)
      })
    }))

  test('reads no wrap even of the credential whose job it has', () =>
    rolledBack(sql, async (tx) => {
      const columns = await columnsFor(tx, 'flarewatch_connector')
      expect(columns.filter((name) => !/ciphertext$|salt$/.test(name))).toEqual([])
    }))
})

describe('T6: the service key of an Edge Function, by itself', () => {
  test('sees no row of any table', () =>
    rolledBack(sql, async (tx) => {
      await seedWorld(tx)
      expect(await seenBy(tx, 'service_role')).toEqual([])
      expect(await columnsFor(tx, 'service_role')).toEqual([])
    }))
})
