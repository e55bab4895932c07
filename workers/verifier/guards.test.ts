import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { guardStateKey } from '../../domain/contracts/receipt-store.ts'
import type { EmbeddedPostgres } from '../../local/postgres/postgres.ts'
import { startThrowawayPostgres } from '../../local/postgres/throwaway.ts'
import { connect, type Sql } from '../runtime/database.ts'
import { checkGuards } from './guards.ts'

let database: EmbeddedPostgres
let superuser: postgres.Sql
let verifier: Sql
let workers: Miniflare
let bucket: R2Bucket

beforeAll(async () => {
  database = await startThrowawayPostgres()
  superuser = postgres(database.superuserUrl, { max: 1, onnotice: () => {} })
  await superuser`select flarewatch.open_month(date '2031-05-01')`
  verifier = connect({ connectionString: database.urlFor('flarewatch_verifier') } as Hyperdrive)
  const stub = {
    type: 'ESModule',
    path: 'stub.mjs',
    contents: 'export default { fetch: () => new Response() }',
  } as const
  workers = new Miniflare(convertV4MiniflareOptions({ modules: [stub], r2Buckets: ['RECEIPTS'], port: 0, cf: false }))
  bucket = (await workers.getR2Bucket('RECEIPTS')) as unknown as R2Bucket
})
afterAll(async () => {
  await workers?.dispose()
  await verifier?.end()
  await superuser?.end()
  await database?.stop()
})

const OFF = 'alter table flarewatch.audit_log disable trigger extend_chain'
const ON = 'alter table flarewatch.audit_log enable always trigger extend_chain'

describe('T3: what guards the log', () => {
  beforeEach(async () => {
    await bucket.delete(guardStateKey())
    expect(await check()).toEqual([])
  })

  it('is as the migrations left it, and stays so while statistics are taken and months come and go', async () => {
    await superuser`analyze flarewatch.audit_log`
    await superuser`vacuum flarewatch.audit_log`
    await superuser`select flarewatch.open_month(date '2031-06-01')`
    expect(await check()).toEqual([])
    const [row] = await superuser`select flarewatch.drop_month((now() - interval '25 months')::date, now()) as dropped`
    expect(row?.dropped).toBe(true)
    expect(await check()).toEqual([])
  })

  it.each([
    ['a trigger', OFF, ON, 'trigger extend_chain on audit_log'],
    [
      'row-level security',
      'alter table flarewatch.audit_log no force row level security',
      'alter table flarewatch.audit_log force row level security',
      'table audit_log',
    ],
    [
      'the trigger of one month',
      'alter table flarewatch.audit_log_203105 disable trigger refuse_change',
      'alter table flarewatch.audit_log_203105 enable always trigger refuse_change',
      'trigger refuse_change on audit_log_203105',
    ],
    [
      'a trigger that a replica passes over',
      'alter table flarewatch.audit_log enable trigger refuse_change',
      'alter table flarewatch.audit_log enable always trigger refuse_change',
      'trigger refuse_change on audit_log',
    ],
    [
      'the trigger that mails incidents',
      'alter table flarewatch.incidents disable trigger mail_incident',
      'alter table flarewatch.incidents enable always trigger mail_incident',
      'trigger mail_incident on incidents',
    ],
  ])('%s off is raised as off, and told again as changed once it is on', async (_, off, on, name) => {
    await superuser.unsafe(off)
    const raised = await check()
    await superuser.unsafe(on)
    expect(raised[0]).toMatchObject({ kind: 'guards_off', seq: null })
    expect(raised[0]?.detail.guards).toContain(name)
    expect(await check()).toMatchObject([{ kind: 'guards_changed' }])
    expect(await check()).toEqual([])
  })

  it('off and on again between two runs is raised as changed, once', async () => {
    await superuser.unsafe(OFF)
    await superuser.unsafe(ON)
    const [raised] = await check()
    expect(raised).toMatchObject({ kind: 'guards_changed', seq: null })
    expect(raised?.detail.guards).toContain('trigger extend_chain on audit_log')
    expect(await check()).toEqual([])
  })

  it('a function that was replaced and put back, and a policy that was taken away, are raised', async () => {
    const [row] = await superuser`select pg_get_functiondef('flarewatch.refuse_audit_change'::regproc) as source`
    const source = String(row?.source)
    await superuser.unsafe(source.replace(/begin[\s\S]*end/, 'begin return null; end'))
    await superuser.unsafe(source)
    expect((await check())[0]?.detail.guards).toBe('function flarewatch.refuse_audit_change()')
    await superuser`drop policy "the verifier raises incidents in its own name" on flarewatch.incidents`
    const [raised] = await check()
    await superuser`create policy "the verifier raises incidents in its own name" on flarewatch.incidents
      for insert to flarewatch_verifier with check (part = 'verifier')`
    expect(raised?.detail.guards).toContain('policy the verifier raises incidents in its own name on incidents')
  })

  it('is remembered only once what differs was raised', async () => {
    await superuser.unsafe(OFF)
    await superuser.unsafe(ON)
    const broken = checkGuards(verifier, bucket, () => Promise.reject(new Error('the store is away')))
    await expect(broken).rejects.toThrow('the store is away')
    expect(await check()).toMatchObject([{ kind: 'guards_changed' }])
  })
})

async function check() {
  return checkGuards(verifier, bucket, async () => {})
}
