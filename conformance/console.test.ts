import { createHash, randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import type { StatementAnswer } from '../domain/contracts/console.ts'
import { type Agency, act, codeOf, foundAgency } from './agency.ts'
import { signInAgain, signUp } from './person.ts'
import { runningStack } from './running.ts'
import { fireCron, issueToken, until, untilPolled } from './stack.ts'

/** The SQL console from the function's door to Postgres and back, on real Deno. */
const run = runningStack()
type Rows = { rows: AuditRow[] }
type AuditRow = {
  action: string
  target: string
  detail: Record<string, string>
  outcome: { state: string; code: string } | null
}

describe('the SQL console', () => {
  let ours: Agency
  let theirs: Agency
  const ask = (agency: Agency, statement: string) =>
    agency.owner.call('sql-console', { tenant_id: agency.tenantId, statement_id: randomUUID(), statement })
  const answered = async (agency: Agency, statement: string) => (await ask(agency, statement)).body as StatementAnswer
  const history = async () =>
    ((await ours.owner.read('/api/audit?action=console.query&order=newest')).body as Rows).rows

  beforeAll(async () => {
    ;[ours, theirs] = await Promise.all([foundAgency(run), foundAgency(run)])
    for (const agency of [ours, theirs]) await agency.store(await issueToken(run))
    await fireCron(run, 'scheduler', '* * * * *')
    for (const agency of [ours, theirs]) await untilPolled(agency.owner)
  })

  test('T4: answers from the tenant’s own warehouse, typed, and from nobody else’s', async () => {
    const sites = 'select site_id, name from warehouse.sites order by name'
    const [mine, other] = await Promise.all([answered(ours, sites), answered(theirs, sites)])
    if (mine.state !== 'answered' || other.state !== 'answered') throw new Error(JSON.stringify([mine, other]))
    expect(mine.rows).toHaveLength(3)
    const ids = new Set(mine.rows.map(([id]) => id))
    expect(other.rows.some(([id]) => ids.has(id ?? ''))).toBe(false)
    const figures = await answered(
      ours,
      'select window_start, sum(value) as total, count(*), true as yes from warehouse.metrics_hourly group by 1 limit 1',
    )
    expect(figures).toMatchObject({
      state: 'answered',
      truncated: false,
      columns: [
        { name: 'window_start', kind: 'timestamp' },
        { name: 'total', type: 'numeric', kind: 'number' },
        { name: 'count', type: 'bigint', kind: 'number' },
        { name: 'yes', kind: 'boolean' },
      ],
    })
  })

  test('an answer without rows has its columns', async () => {
    const none = await answered(ours, 'select name from warehouse.sites where false')
    expect(none).toMatchObject({ state: 'answered', rows: [], columns: [{ name: 'name', type: 'text' }] })
  })

  test('L1: a statement has its row, sealed, with its text and how it ended', async () => {
    const statement = "select 'kept in the log' as text"
    await answered(ours, statement)
    const [row] = await history()
    expect(row?.detail.statement).toBe(statement)
    expect(row?.detail.statement_sha256).toBe(createHash('sha256').update(statement).digest('base64url'))
    expect(row?.outcome).toMatchObject({ state: 'succeeded', code: 'answered' })
  })

  test('an error says what and where in the statement, and is recorded as failed', async () => {
    expect(await answered(ours, 'select nothing from warehouse.sites')).toMatchObject({
      state: 'failed',
      code: 'statement_failed',
      message: 'column "nothing" does not exist',
      position: 8,
    })
    expect((await history())[0]?.outcome).toMatchObject({ state: 'failed', code: 'statement_failed' })
    const before = (await history()).length
    expect(await answered(ours, "select 'é', pg_sleep(1)")).toMatchObject({ code: 'statement_refused', position: 13 })
    expect((await history()).length).toBe(before)
  })

  test('at most 10,000 rows and 5 MB come back, and that there were more is said', async () => {
    const many = await answered(ours, 'select n from generate_series(1, 20000) n')
    expect(many).toMatchObject({ state: 'answered', truncated: true })
    expect(many.state === 'answered' && many.rows.length).toBe(10_000)
  })

  test('a cancel ends the statement that it names, and that one’s row says so', async () => {
    const statement = 'select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b'
    const statement_id = randomUUID()
    const asked = ours.owner.call('sql-console', { tenant_id: ours.tenantId, statement_id, statement })
    const cancel = async () =>
      (await ours.owner.call('sql-console', { tenant_id: ours.tenantId, cancel: statement_id })).body
    await until(async () => ((await cancel()) as { ended?: number }).ended === 1, 'there was a session to end', 8000)
    expect((await asked).body).toMatchObject({ state: 'failed', code: 'statement_cancelled' })
    expect((await history())[0]?.outcome).toMatchObject({ state: 'failed', code: 'statement_cancelled' })
  })

  test('A2, A3: a password alone, a stranger and a stale code run nothing', async () => {
    const statement = 'select 1'
    const body = { tenant_id: ours.tenantId, statement_id: randomUUID(), statement }
    const onlyPassword = await signInAgain(run, ours.owner)
    expect(codeOf(await onlyPassword.call('sql-console', body))).toBe('aal2_required')
    expect(codeOf(await theirs.owner.call('sql-console', body))).toBe('not_a_member')
    expect(codeOf(await (await signUp(run)).call('sql-console', body))).toBe('aal2_required')
  })
})

describe('the SQL console at a client’s Supabase project', () => {
  let ours: Agency
  let theirs: Agency
  let project: Project
  type Project = { readonly credential_id: string; readonly site_id: string }
  const ask = (agency: Agency, statement: string, at: Project) =>
    agency.owner.call('sql-console', {
      tenant_id: agency.tenantId,
      statement_id: randomUUID(),
      statement,
      project: at,
    })
  const history = async () =>
    ((await ours.owner.read('/api/audit?action=console.query&order=newest')).body as Rows).rows

  /** An active project of an agency, by a key that it stored. */
  async function connected(agency: Agency): Promise<Project> {
    const credential_id = randomUUID()
    const { control_url } = run.simulators.supabase ?? expect.fail('no simulator of Supabase')
    const issued = await fetch(`${control_url}/tokens`, { method: 'POST', body: JSON.stringify({ scope: 'read' }) })
    const { token: secret } = (await issued.json()) as { token: string }
    const body = { tenant_id: agency.tenantId, credential_id, provider: 'supabase', label: 'Projects', secret }
    const stored = await act(agency.owner, 'credential-store', STORE(credential_id), body)
    expect(stored.status).toBe(200)
    const { sites } = (await agency.owner.read('/api/sites')).body as { sites: { id: string; name: string }[] }
    const site_id = sites.find(({ name }) => name === 'northwind-bakery')?.id ?? expect.fail('no such project')
    return { credential_id, site_id }
  }
  const STORE = (target_id: string) => ({ action: 'credential.store', target_id })

  beforeAll(async () => {
    ;[ours, theirs] = await Promise.all([foundAgency(run), foundAgency(run)])
    project = await connected(ours)
  })

  test('L1, V5: a statement is answered by the client’s own database, under a row that names the key', async () => {
    const statement = 'select id, name, vip from public.customers order by id limit 2'
    const { body } = await ask(ours, statement, project)
    expect(body).toMatchObject({
      state: 'answered',
      columns: [{ kind: 'number' }, { kind: 'text' }, { kind: 'boolean' }],
      rows: [
        ['1', 'Customer 1', 'false'],
        ['2', 'Customer 2', 'false'],
      ],
    })
    const [row] = await history()
    expect(row).toMatchObject({
      target: `credential:${project.credential_id}`,
      detail: { statement, site_id: project.site_id },
      outcome: { state: 'succeeded', code: 'answered' },
    })
    expect((await ask(ours, 'select 1 from public.nothing', project)).body).toMatchObject({
      ...{ state: 'failed', sqlstate: '42P01', message: 'relation "public.nothing" does not exist', position: 15 },
    })
    expect((await history())[0]?.outcome).toMatchObject({ state: 'failed', code: 'statement_failed' })
  })

  test('what is no reading leaves no row, and is not sent', async () => {
    const before = (await history()).length
    for (const statement of ['delete from public.orders', 'select 1; select 2', 'do $$ begin end $$']) {
      expect((await ask(ours, statement, project)).body).toMatchObject({ code: 'statement_refused' })
    }
    expect((await history()).length).toBe(before)
  })

  test('T4, A2: another agency’s key opens for nobody else, nor for a password alone', async () => {
    expect(codeOf(await ask(theirs, 'select 1', project))).toBe('credential_unknown')
    const crossed = await connected(theirs)
    expect(codeOf(await ask(theirs, 'select 1', { ...crossed, credential_id: project.credential_id }))).toBe(
      'credential_unknown',
    )
    expect(codeOf(await ask(theirs, 'select 1', { ...crossed, site_id: project.site_id }))).toBe('credential_unknown')
    const onlyPassword = await signInAgain(run, ours.owner)
    const request = { tenant_id: ours.tenantId, statement_id: randomUUID(), statement: 'select 1', project }
    expect(codeOf(await onlyPassword.call('sql-console', request))).toBe('aal2_required')
  })
})
