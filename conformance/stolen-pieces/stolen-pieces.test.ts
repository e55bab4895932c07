import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Agency, foundAgency } from '../agency.ts'
import { runningStack } from '../running.ts'
import { issueToken, until } from '../stack.ts'
import { NOTHING, type Pieces, stealDump, stealKeks, stealObjects } from './pieces.ts'
import { type Loot, Thief } from './thief.ts'

/**
 * At rest, the KEK, the database and the Durable Objects open something only together. The last test has all three and must get in: a thief
 * who did not know how would make the others pass.
 */
const run = runningStack()
const sql = postgres(run.postgres_superuser_url, { max: 1, onnotice: () => {} })
let agency: Agency
let token: string
let keks: Pieces['keks']
let dump: Pieces['dump']
let objects: Pieces['objects']

beforeAll(async () => {
  agency = await foundAgency(run)
  token = await issueToken(run)
  const stored = await agency.store(token)
  expect(stored.status, stored.text).toBe(200)
  await until(async () => {
    const [head] = await sql`select seq::int as seq from flarewatch.audit_heads where tenant_id = ${agency.tenantId}`
    return head?.seq >= 3
  }, 'the rows of birth and store are in Postgres')
  const dir = inject('dataDir')
  keks = stealKeks(dir)
  dump = await stealDump(sql)
  objects = stealObjects(dir)
})
afterAll(() => sql.end())

describe('T2, V2: stolen pieces', () => {
  test('the KEK and a full dump open nothing', async () => {
    nothing(await steal({ ...NOTHING, keks, dump }))
  })

  test('a full dump and the files of the Durable Objects open nothing without the KEK', async () => {
    nothing(await steal({ ...NOTHING, dump, objects }))
  })

  test('the KEK and the files of the Durable Objects open nothing', async () => {
    nothing(await steal({ ...NOTHING, keks, objects }))
  })

  test('all three together open the credential and the log', async () => {
    const { credentials, actions } = await steal({ keks, dump, objects })
    expect(credentials).toContain(token)
    expect(actions).toContain('tenant.create')
  })
})

function steal(pieces: Pieces): Promise<Loot> {
  return new Thief(pieces, agency.tenantId).open()
}

function nothing({ credentials, actions, tries }: Loot): void {
  expect([credentials, actions]).toEqual([[], []])
  expect(tries).toBeGreaterThan(100)
}
