import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ConsoleStand, MARK, MARK_VALUE, startConsoleStand } from '../../local/stands/console-stand.ts'
import { escapes } from './corpus.ts'
import { judgeStatement } from './judge.ts'
import { consoleLogin } from './login.ts'
import { runStatement } from './run.ts'

let stand: ConsoleStand
beforeAll(async () => {
  stand = await startConsoleStand(consoleLogin)
})
afterAll(() => stand?.stop())

const someone = { other: randomUUID(), otherSite: randomUUID(), otherLogin: `flarewatch_console_${'0'.repeat(32)}` }
const CORPUS = escapes(someone)

describe('T4: an escape from the console, as its parser judges it', () => {
  test('at least 80 are tried', () => {
    expect(CORPUS.length).toBeGreaterThanOrEqual(80)
  })

  test.each(CORPUS)('$name', ({ text, parser }) => {
    const failure = judgeStatement(text)
    const verdict = { statement_refused: 'refused', statement_invalid: 'invalid' }[failure?.code as string] ?? 'runs'
    expect(verdict, failure?.message).toBe(parser)
  })
})

describe('T4: the same escape with the parser bypassed, as the tenant’s own login', () => {
  const LIMIT_MS = 800

  test.each(CORPUS.map(({ name, postgres }, index) => ({ name, postgres, index })))('$name', async (tried) => {
    const { own: _, other, otherLogin } = stand
    const text = escapes({ other: other.id, otherSite: other.siteId, otherLogin })[tried.index]?.text ?? ''
    const before = await written()
    const milliseconds = tried.postgres === 'ended' ? LIMIT_MS : 10_000
    const ending = { signal: new AbortController().signal, watchdog: stand.endSessions, milliseconds }
    const answer = await runStatement(stand.target, text, ending)

    const told = JSON.stringify(answer)
    expect(told).not.toContain(MARK)
    expect(told).not.toContain(MARK_VALUE)
    const verdict = answer.state === 'answered' ? 'own' : answer.code === 'statement_timed_out' ? 'ended' : 'error'
    expect(verdict, told.slice(0, 300)).toBe(tried.postgres)
    // A lock is the session's: it goes with it, a moment after the answer.
    await expect.poll(sessions, { interval: 20, timeout: 3000 }).toBe(0)
    expect(await written()).toEqual(before)
  })

  test('and the rows that it must not see are there, beside its own', async () => {
    const ending = { signal: new AbortController().signal, watchdog: stand.endSessions }
    const answer = await runStatement(stand.target, 'select name, site_id from warehouse.sites', ending)
    expect(answer).toMatchObject({ state: 'answered', rows: [['example.org', stand.own.siteId]] })
    const [both] = await stand.sql`select count(*)::int as n from flarewatch.sites`
    expect(both).toEqual({ n: 2 })
  })
})

describe('the login of a tenant', () => {
  const ending = () => ({ signal: new AbortController().signal, watchdog: stand.endSessions })
  const open = (key: string) => stand.open(key, stand.other)

  test('keeps its name when the function’s secret changes, and takes the new password alone', async () => {
    const [first, second] = ['A', 'B'].map((letter) => letter.repeat(42).concat('A'))
    const before = await open(first ?? '')
    const after = await open(second ?? '')
    expect(after.login).toBe(before.login)
    expect(await runStatement(after, 'select 1', ending())).toMatchObject({ state: 'answered' })
    await expect(runStatement(before, 'select 1', ending())).rejects.toMatchObject({ code: 'console_unreachable' })
  })

  test('goes with its sessions when the tenant’s deletion begins', async () => {
    const target = await open('C'.repeat(42).concat('A'))
    const running = runStatement(target, 'select pg_sleep(60)', ending())
    const there = async () =>
      (await stand.sql`select 1 from pg_stat_activity where usename = ${target.login} and query like '%pg_sleep%'`)
        .length
    await expect.poll(there, { interval: 20, timeout: 3000 }).toBe(1)
    await stand.sql`update flarewatch.tenants set state = 'deleting', deleting_since = now() where id = ${stand.other.id}`
    expect(await running).toMatchObject({ state: 'failed', code: 'statement_cancelled' })
    expect((await stand.sql`select from pg_roles where rolname = ${target.login}`).length).toBe(0)
    await expect(runStatement(target, 'select 1', ending())).rejects.toMatchObject({ code: 'console_unreachable' })
  })
})

/** All that an escape could leave behind. */
async function written() {
  return await stand.sql`
    select
      (select md5(string_agg(t::text, ',' order by t::text)) from flarewatch.sites t) as sites,
      (select md5(string_agg(t::text, ',' order by t::text)) from flarewatch.facts_hourly t) as hourly,
      (select md5(string_agg(t::text, ',' order by t::text)) from flarewatch.facts_daily t) as daily,
      (select md5(string_agg(t::text, ',' order by t::text)) from flarewatch.jobs t) as jobs,
      (select md5(string_agg(t::text, ',' order by t::text)) from flarewatch.tenants t) as tenants,
      (select md5(string_agg(rolname || coalesce(rolpassword, ''), ',' order by rolname)) from pg_authid) as roles,
      (select count(*) from pg_class where relpersistence <> 't') as relations,
      (select count(*) from pg_proc) as functions,
      (select count(*) from pg_largeobject_metadata) as large_objects,
      (select count(*) from pg_locks where locktype = 'advisory') as locks`
}

async function sessions(): Promise<number> {
  const [row] = await stand.sql`select count(*)::int as n from pg_stat_activity where usename = ${stand.target.login}`
  return row?.n ?? 0
}
