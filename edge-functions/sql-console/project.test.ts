import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAX_RESULT_BYTES } from '../../domain/contracts/console.ts'
import { startThrowawayPostgres } from '../../local/postgres/throwaway.ts'
import { prepareClientDatabase } from '../../local/simulators/supabase/client-database.ts'
import { type SupabaseSimulator, startSupabaseSimulator } from '../../local/simulators/supabase/simulator.ts'
import { World } from '../../local/simulators/supabase/world.ts'
import { judgeForProject } from './judge-project.ts'
import { runAtProject } from './project.ts'

const SEED = 3
const [project] = new World(SEED).projects
const ref = project?.ref ?? ''
let simulator: SupabaseSimulator
let stop: () => Promise<void>

beforeAll(async () => {
  const embedded = await startThrowawayPostgres()
  const clientDatabaseUrl = await prepareClientDatabase(embedded.superuserUrl)
  simulator = await startSupabaseSimulator({ seed: SEED, log: () => {}, clientDatabaseUrl })
  stop = async () => {
    await simulator.stop()
    await embedded.stop()
  }
})
afterAll(() => stop?.())

type Ending = { readonly signal?: AbortSignal; readonly milliseconds?: number; readonly token?: string }

async function run(statement: string, { signal, milliseconds, token }: Ending = {}) {
  const judged = judgeForProject(statement)
  if ('state' in judged) return judged
  const key = token ?? simulator.issueReadKey()
  return runAtProject(
    {
      apiUrl: simulator.apiUrl,
      token: key,
      ref,
      signal: signal ?? new AbortController().signal,
      ...(milliseconds === undefined ? {} : { milliseconds }),
    },
    judged,
  )
}
const asked = async () => {
  const answer = await fetch(`${simulator.controlUrl}/requests`)
  return ((await answer.json()) as { requests: unknown[] }).requests.length
}

describe('a statement for a client’s project is refused before anything is sent', () => {
  test.each([
    'select 1; select 2',
    'select 1; drop table public.orders',
    '',
    '-- nothing',
    'insert into public.orders values (1, 1, 1)',
    'update public.orders set cents = 0',
    'delete from public.orders',
    'truncate public.orders',
    'copy public.orders to stdout',
    "copy public.orders to program 'id'",
    'do $$ begin perform 1; end $$',
    'begin',
    'commit',
    'rollback and chain',
    'savepoint s',
    'set role postgres',
    'set transaction read write',
    'reset all',
    'prepare p as select 1',
    'execute p',
    'declare c cursor for select 1',
    'listen x',
    'call public.f()',
    'create table public.t (a int)',
    'create table public.t as select 1',
    'select 1 into public.t',
    'select * from public.orders for update',
    'select * from (select * from public.orders for share) o',
    'with d as (delete from public.orders returning *) select * from d',
    'with i as (insert into public.orders values (1, 1, 1) returning *) table i',
    'explain analyze delete from public.orders',
    'explain analyze create table public.t as select 1',
    'explain execute p',
    'vacuum',
    'lock table public.orders',
    "select 'a\u0000b'",
    `select ${'('.repeat(100)}1${')'.repeat(100)}`,
    'selekt 1',
  ])('%s', async (statement) => {
    const before = await asked()
    expect(await run(statement)).toMatchObject({
      state: 'failed',
      code: expect.stringMatching(/^statement_(refused|invalid)$/),
    })
    expect(await asked()).toBe(before)
  })
})

describe('a statement at a client’s project', () => {
  test('gives its rows as Postgres wrote them, named in order, whatever they are called', async () => {
    const statement =
      'select id, cents as "1", null as id, true as yes, \'x\' || id as x, 1.50 as n from public.orders order by cents limit 2; -- end'
    const answer = await run(statement)
    expect(answer).toMatchObject({ state: 'answered', truncated: false })
    if (answer.state !== 'answered') return
    expect(answer.columns.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      ...['id number', '1 number', 'id text', 'yes boolean', 'x text', 'n number'],
    ])
    expect(answer.rows).toEqual([
      ['9007199254740993', '995', null, 'true', 'x9007199254740993', '1.50'],
      ['9007199254740994', '1005', null, 'true', 'x9007199254740994', '1.50'],
    ])
  })

  test.each([
    ['values (1), (2)', [['1'], ['2']]],
    ['with a as (select 1 as n) select n from a -- last', [['1']]],
    ['select 1 where false', []],
    ['select from public.customers limit 1', [[]]],
  ])('%s', async (statement, rows) => {
    expect(await run(statement)).toMatchObject({ state: 'answered', rows })
  })

  test('is explained without being wrapped', async () => {
    const answer = await run('explain (costs off) select * from public.orders')
    expect(answer).toMatchObject({
      state: 'answered',
      columns: [{ name: 'QUERY PLAN' }],
      rows: [['Seq Scan on orders']],
    })
  })

  test('that fails says what and where, counted in its own text', async () => {
    expect(await run('select id,\n  é_nothing\nfrom public.orders')).toMatchObject({
      ...{ code: 'statement_failed', sqlstate: '42703', message: 'column "é_nothing" does not exist', position: 14 },
    })
    expect(await run('select 1 / (id - id) from public.orders')).toMatchObject({
      ...{ code: 'statement_failed', sqlstate: '22012', message: 'division by zero', position: null },
    })
    expect(await run('select * from pg_catalog.pg_authid')).toMatchObject({ sqlstate: '42501' })
  })

  test('gives at most 10,000 rows and 5 MB, and says that there were more; one row beyond that is none', async () => {
    const many = await run('select n from generate_series(1, 20000) n')
    expect(many).toMatchObject({ state: 'answered', truncated: true })
    expect(many.state === 'answered' && many.rows.length).toBe(10_000)
    const large = await run("select repeat('x', 1000) from generate_series(1, 9000)")
    expect(large).toMatchObject({ state: 'answered', truncated: true })
    expect(JSON.stringify(large.state === 'answered' ? large.rows : []).length).toBeLessThanOrEqual(MAX_RESULT_BYTES)
    expect(await run("select repeat('x', 20000000)")).toMatchObject({ code: 'result_too_large' })
  })

  test('is given up when it takes too long, and when whoever asked goes away', async () => {
    expect(await run('select pg_sleep(2)', { milliseconds: 150 })).toMatchObject({ code: 'statement_timed_out' })
    const gone = new AbortController()
    const answer = run('select pg_sleep(2)', { signal: gone.signal })
    gone.abort()
    expect(await answer).toMatchObject({ code: 'statement_cancelled' })
  })

  test('is refused in words of ours where the key is, and never with the key', async () => {
    const refused = (token: string) => run('select 1', { token }).catch((error: unknown) => error)
    expect(await refused(`sbp_${'0'.repeat(40)}`)).toMatchObject({ code: 'credential_rejected' })
    const token = simulator.issueToken('projects_alone')
    const error = await refused(token)
    expect(error).toMatchObject({ code: 'provider_permission_missing' })
    expect(JSON.stringify([String(error), error])).not.toContain(token)
  })
})

test('what got past the parser finds a role that may write nothing, in a transaction that reads', async () => {
  const raw = async (text: string) =>
    runAtProject(
      { apiUrl: simulator.apiUrl, token: simulator.issueReadKey(), ref, signal: new AbortController().signal },
      { kind: 'explain', text },
    )
  expect(await raw('delete from public.orders')).toMatchObject({ state: 'failed', sqlstate: '25006' })
  const lifted = await raw('commit; delete from public.orders').catch((error: unknown) => error)
  expect(lifted).toMatchObject({ state: 'failed', sqlstate: '42501' })
  expect(await run('select count(*) from public.orders')).toMatchObject({ rows: [['1000']] })
})
