import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { type Agency, foundAgency } from '../agency.ts'
import type { RunFile } from '../run-file.ts'
import { until } from '../stack.ts'

const READERS = 6
const SETTLED_MS = 250

/** Agencies of the gauntlet's own, so that nobody else's rows are touched. */
export async function foundAgencies(run: RunFile, count: number): Promise<Agency[]> {
  const agencies: Agency[] = []
  for (let index = 0; index < count; index += 1) agencies.push(await foundAgency(run))
  return agencies
}

/** Adds rows as a member does who reads the log, a row a page, and waits until Postgres has them all. */
export async function addRows(sql: postgres.Sql, agency: Agency, count: number): Promise<number> {
  const before = await headOf(sql, agency.tenantId)
  let asked = 0
  await Promise.all(
    Array.from({ length: Math.min(READERS, count) }, async () => {
      while (asked < count) {
        asked += 1
        const answer = await agency.owner.read('/api/audit?limit=1')
        if (answer.status !== 200) throw new Error(`reading the log: ${answer.status} ${answer.text}`)
      }
    }),
  )
  await until(async () => (await headOf(sql, agency.tenantId)) >= before + count, 'Postgres has the rows')
  return settledHead(sql, agency.tenantId)
}

async function settledHead(sql: postgres.Sql, tenantId: string): Promise<number> {
  for (let seen = await headOf(sql, tenantId); ; ) {
    await sleep(SETTLED_MS)
    const now = await headOf(sql, tenantId)
    if (now === seen) return now
    seen = now
  }
}

export async function headOf(sql: postgres.Sql, tenantId: string): Promise<number> {
  const [head] = await sql<{ seq: number }[]>`
    select seq::int as seq from flarewatch.audit_heads where tenant_id = ${tenantId}`
  return head?.seq ?? 0
}
