import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HISTORY_MS } from '../../domain/backfill/retention.ts'
import { toBase64, u64be } from '../../domain/bytes.ts'
import {
  AuditResponse,
  CredentialsResponse,
  FindingsResponse,
  IncidentsResponse,
  MembersResponse,
  MeResponse,
  MetricsResponse,
  SessionsResponse,
  SitesResponse,
  StatusResponse,
  TopResponse,
} from '../../domain/contracts/api.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import { parseVkey } from '../../domain/note/keys.ts'
import { openNote } from '../../domain/note/signed-note.ts'
import {
  type Agency,
  type Ask,
  at,
  codeOf,
  type GatewayStand,
  startGatewayStand,
  UNKNOWN_SESSION,
} from '../../local/stands/gateway-stand.ts'

let stand: GatewayStand
let own: Agency
let other: Agency
const unenrolled = randomUUID()

beforeAll(async () => {
  stand = await startGatewayStand()
  own = await stand.agency('own')
  other = await stand.agency('other')
  await stand.sql`insert into flarewatch.members values (${own.tenant}, ${unenrolled}, 'viewer')`
})
afterAll(() => stand?.stop())

const TENANT_ROUTES = [
  '/api/sites',
  '/api/credentials',
  '/api/receipts',
  '/api/incidents',
  '/api/status',
  '/api/audit',
  '/api/members',
  '/api/dead-letters',
]

const daysAlone = (days: number) => lastDays(days).replace(/grain=day&?/, '')

describe('the largest shares', () => {
  const top = (site: string) => ask(`/api/sites/${site}/top?dimension=country&${daysAlone(4)}`, { user: own.user })

  it('are added up over the days, within all that there was', async () => {
    const { rows, total, days, provenance } = TopResponse.parse(await (await top(own.site)).json())
    expect([rows, total, days]).toEqual([
      [
        { key: 'DE', value: 12 },
        { key: 'AT', value: 4 },
      ],
      20,
      2,
    ])
    expect(provenance).toMatchObject({ source: 'test', sampling: 1 })
  })
  it('T4: of another tenant’s site are not found', async () => {
    expect(await codeOf(await top(other.site))).toEqual([404, 'not_found'])
  })
  it('of no known dimension are refused', async () => {
    const answer = await ask(`/api/sites/${own.site}/top?dimension=ip&${daysAlone(4)}`, { user: own.user })
    expect(await codeOf(answer)).toEqual([422, 'query_invalid'])
  })
})

describe('T4: a user of one tenant', () => {
  it.each(TENANT_ROUTES)('gets nothing of another from %s by naming it', async (path) => {
    const answer = await ask(path, { user: own.user, tenant: other.tenant })
    expect(await codeOf(answer)).toEqual([403, 'not_a_member'])
    expect(await codeOf(await ask(path, { user: own.user, tenant: randomUUID() }))).toEqual([403, 'not_a_member'])
    expect(await codeOf(await ask(path, { user: own.user, tenant: "' or true --" }))).toEqual([403, 'not_a_member'])
  })

  it.each(['metrics?DAYS', 'findings'])('gets nothing of another by the id of its site from %s', async (asked) => {
    const path = `/api/sites/${other.site}/${asked.replace('DAYS', lastDays(2))}`
    for (const tenant of [own.tenant, undefined]) {
      const answer = await ask(path, { user: own.user, ...(tenant === undefined ? {} : { tenant }) })
      expect(await codeOf(answer)).toEqual([404, 'not_found'])
    }
    expect(await codeOf(await ask(path, { user: own.user, tenant: other.tenant }))).toEqual([403, 'not_a_member'])
  })

  it('gets their own, named or not, however many others ask at the same time', async () => {
    const asked = Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? own : other))
    const answers = await Promise.all(
      asked.map(async ({ user, tenant }, index) => {
        const answer = await ask('/api/sites', { user, ...(index % 3 === 0 ? { tenant } : {}) })
        return SitesResponse.parse(await answer.json()).sites.map(({ id }) => id)
      }),
    )
    expect(answers).toEqual(asked.map(({ site }) => [site]))
  })
})

describe('A1: a user without TOTP', () => {
  it.each([
    ...TENANT_ROUTES,
    '/api/sites/SITE/metrics?DAYS',
    '/api/sites/SITE/findings',
    '/api/sites/SITE/top?dimension=country&TOP',
  ])('reads no tenant data from %s', async (path) => {
    const concrete = path.replace('SITE', own.site).replace('DAYS', lastDays(2)).replace('TOP', daysAlone(2))
    expect(await codeOf(await ask(concrete, { user: unenrolled }))).toEqual([403, 'totp_enrolment_required'])
  })

  it('is told that enrolment is missing, and not where they are a member', async () => {
    const me = MeResponse.parse(await (await ask('/api/me', { user: unenrolled, aal: 'aal1' })).json())
    expect(me.user).toMatchObject({ id: unenrolled, aal: 'aal1', totp_enrolled: false })
    expect(me.tenants).toEqual([])
  })
})

describe('A2: a user at AAL1', () => {
  it('reads metrics and the credential line', async () => {
    const metrics = await ask(`/api/sites/${own.site}/metrics?${lastDays(2)}`, { user: own.user, aal: 'aal1' })
    expect(metrics.status).toBe(200)
    expect((await ask('/api/credentials', { user: own.user, aal: 'aal1' })).status).toBe(200)
    const me = MeResponse.parse(await (await ask('/api/me', { user: own.user, aal: 'aal1' })).json())
    expect(me.tenants).toEqual([{ id: own.tenant, name: 'own', role: 'owner', tier: 'free', state: 'active' }])
  })

  it('reads no audit content', async () => {
    expect(await codeOf(await ask('/api/audit', { user: own.user, aal: 'aal1' }))).toEqual([403, 'aal2_required'])
  })

  it('reads no dead letter, which names who replayed it; at AAL2 those of the own tenant', async () => {
    const [job] = await stand.sql<{ id: string }[]>`
      insert into flarewatch.jobs (tenant_id, credential_id, state, run_state, reason, lease_until, created_at, finished_at)
      select tenant_id, id, 'dead', 'failed', 'provider_timeout', now(), now(), now() from flarewatch.credentials
      where tenant_id = ${own.tenant} returning id`
    for (const path of ['/api/dead-letters', `/api/dead-letters/${job?.id}`]) {
      expect(await codeOf(await ask(path, { user: own.user, aal: 'aal1' }))).toEqual([403, 'aal2_required'])
    }
    const listed = await (await ask('/api/dead-letters', { user: own.user })).json()
    const line = { id: job?.id, label: own.marker, reason: 'provider_timeout', made_good: false, replay: null }
    expect(listed).toMatchObject({ dead_letters: [line], more: false })
    expect(await (await ask(`/api/dead-letters/${job?.id}`, { user: own.user })).json()).toMatchObject({
      dead_letter: line,
    })
    expect(await codeOf(await ask(`/api/dead-letters/${job?.id}`, { user: other.user }))).toEqual([404, 'not_found'])
    expect(await codeOf(await ask('/api/dead-letters/x', { user: own.user }))).toEqual([404, 'not_found'])
    await stand.sql`delete from flarewatch.jobs where id = ${job?.id ?? ''}`
  })
})

describe('the findings of a site', () => {
  it('are those that are open, the gravest first, and those resolved in the last thirty days', async () => {
    const day = 86_400_000
    const find = async (
      kind: string,
      level: string,
      resolvedAgo: number | null,
      site = own.site,
      tenant = own.tenant,
    ) => {
      const seen = new Date(Date.now() - 60 * day)
      const resolvedAt = resolvedAgo === null ? null : new Date(Date.now() - resolvedAgo)
      await stand.sql`insert into flarewatch.findings
        (site_id, tenant_id, provider, kind, subject, level, first_seen, last_seen, resolved_at)
        values (${site}, ${tenant}, 'supabase', ${kind}, 'public.orders', ${level}, ${seen}, ${seen}, ${resolvedAt})`
    }
    await find('no_primary_key', 'info', null)
    await find('duplicate_index', 'warning', 31 * day)
    await find('extension_in_public', 'warning', 29 * day)
    await find('rls_disabled_in_public', 'error', null)
    await find('security_definer_view', 'error', day)
    await find('security_definer_view', 'error', null, other.site, other.tenant)
    const answer = await ask(`/api/sites/${own.site}/findings`, { user: own.user, aal: 'aal1' })
    const { site_id, open, resolved, more } = FindingsResponse.parse(await answer.json())
    expect([site_id, more]).toEqual([own.site, false])
    expect(open.map(({ kind }) => kind)).toEqual(['rls_disabled_in_public', 'no_primary_key'])
    expect(resolved.map(({ kind }) => kind)).toEqual(['security_definer_view', 'extension_in_public'])
  })
})

describe('L4: incidents', () => {
  const raise = async ({ tenant }: Agency, kind: string, seq: number | null, at: string, acknowledged = false) => {
    await stand.sql`insert into flarewatch.incidents (id, tenant_id, kind, seq, part, detail, at, acknowledged_at)
      values (${randomUUID()}, ${tenant}, ${kind}, ${seq}, 'verifier', ${stand.sql.json({ stored_hash: 'never-shown' })}, ${at},
        ${acknowledged ? at : null})`
  }
  const listed = async (query: string, aal: 'aal1' | 'aal2' = 'aal2') => {
    const text = await (await ask(`/api/incidents${query}`, { user: own.user, aal })).text()
    return { text, ...IncidentsResponse.parse(JSON.parse(text)) }
  }
  afterAll(() => stand.sql`delete from flarewatch.incidents`)

  it("are the own tenant's, newest first, with kind, first bad row and part, and no detail", async () => {
    expect(await listed('')).toMatchObject({ incidents: [], open: 0, more: false })
    await raise(own, 'row_edited', 41, '2026-11-24T02:15:00Z')
    await raise(own, 'fork', null, '2026-11-25T02:15:00Z', true)
    await raise(other, 'tail_truncated', 7, '2026-11-25T02:15:00Z')
    const { text, ...all } = await listed('', 'aal1')
    expect(all).toMatchObject({ open: 1, more: false })
    expect(all.incidents.map(({ kind, seq, part, acknowledged_at }) => [kind, seq, part, acknowledged_at])).toEqual([
      ['fork', null, 'verifier', '2026-11-25T02:15:00.000Z'],
      ['row_edited', 41, 'verifier', null],
    ])
    expect(text).not.toContain('never-shown')
    expect((await listed('?state=open')).incidents.map(({ kind }) => kind)).toEqual(['row_edited'])
  })

  it('are at most a hundred, and say that there are more', async () => {
    await stand.sql`insert into flarewatch.incidents (id, tenant_id, kind, part, at)
      select gen_random_uuid(), ${own.tenant}, 'job_dead', 'connector', now() from generate_series(1, 101)`
    const { incidents, open, more } = await listed('')
    expect([incidents.length, open, more]).toEqual([100, 102, true])
  })

  it.each(['?state=closed', '?state=open&state=all', '?kind=fork'])('are not asked for by %s', async (query) => {
    expect(await codeOf(await ask(`/api/incidents${query}`, { user: own.user }))).toEqual([422, 'query_invalid'])
  })
})

describe('people', () => {
  it('T4, T6: are named to their members at AAL2 alone, and who is invited to owners alone', async () => {
    const viewer = randomUUID()
    await stand.sql`insert into flarewatch.members values (${other.tenant}, ${viewer}, 'viewer')`
    await stand.sql`insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
      values (${randomUUID()}, ${viewer}, 'totp', 'verified', now(), now())`
    await stand.sql`insert into flarewatch.invitations
      (id, tenant_id, email, role, token_hash, invited_by, created_at, expires_at)
      values (${randomUUID()}, ${other.tenant}, 'new@x.test', 'viewer', ${new Uint8Array(32)}, ${other.user}, now(), now() + interval '7 days')`
    const seen = async (user: string) => MembersResponse.parse(await (await ask('/api/members', { user })).json())
    const owners = await seen(other.user)
    expect(owners.members.map(({ user_id, role }) => [user_id, role])).toContainEqual([viewer, 'viewer'])
    expect(owners.invitations).toMatchObject([{ email: 'new@x.test', role: 'viewer' }])
    expect(await seen(viewer)).toMatchObject({ members: owners.members, invitations: [] })
    expect((await seen(own.user)).members.map(({ user_id }) => user_id)).not.toContain(viewer)
    expect(await codeOf(await ask('/api/members', { user: other.user, aal: 'aal1' }))).toEqual([403, 'aal2_required'])
  })
})

describe('V6: the credential line', () => {
  it('has the last four characters and the scope, and nothing of what is sealed', async () => {
    const answer = await ask('/api/credentials', { user: own.user })
    const text = await answer.text()
    const [line] = CredentialsResponse.parse(JSON.parse(text)).credentials
    expect(line).toMatchObject({ last4: 'wXyZ', scope: 'Zone:Analytics:Read', grade: 'read_only', label: own.marker })
    expect(line?.health).toMatchObject({ last_run: null, complete_until: null, error_budget: { runs: 0, left: null } })
    expect(Object.keys(JSON.parse(text).credentials[0]).sort()).toEqual(Object.keys(line ?? {}).sort())
  })

  it('tells how far a history is read, in windows of each dataset: hours are kept for less time than days', async () => {
    const until = Date.UTC(2026, 10, 24)
    const plan = (dataset: 'hourly_rollup' | 'paths') => ({
      ...{ tenant_id: own.tenant, site_id: own.site, dataset, kind: 'connect' },
      until: new Date(until),
      done_from: new Date(until - HISTORY_MS[dataset] / 2),
      next_at: new Date(until),
      created_at: new Date(until),
      updated_at: new Date(until),
    })
    await stand.sql`insert into flarewatch.backfills ${stand.sql([plan('hourly_rollup'), plan('paths')])}`
    const answer = await ask('/api/credentials', { user: own.user })
    const [line] = CredentialsResponse.parse(await answer.json()).credentials
    expect(line?.history).toMatchObject({
      state: 'open',
      percent: 50,
      oldest_at: new Date(until - HISTORY_MS.hourly_rollup / 2).toISOString(),
    })
    await stand.sql`delete from flarewatch.backfills where tenant_id = ${own.tenant}`
  })
})

describe('metrics', () => {
  const metrics = async (query: string) => ask(`/api/sites/${own.site}/metrics?${query}`, { user: own.user })

  it('add what adds up, take the mean of visitors, and compare with the window just before', async () => {
    const { series } = MetricsResponse.parse(await (await metrics(lastDays(2))).json())
    const byName = Object.fromEntries(series.map((one) => [one.metric, one]))
    expect(byName.requests).toMatchObject({ total: 7, previous_total: 3, unit: 'count' })
    expect(byName.requests?.points.map(({ value }) => value)).toEqual([3, 4])
    expect(byName.unique_visitors).toMatchObject({ total: 35, previous_total: 15 })
    expect(byName.requests?.provenance).toMatchObject({ source: 'test', sampling: 1, completeness: 'partial' })
    expect(byName.requests?.points[0]).not.toHaveProperty('corrected')
    expect(byName.bytes).toMatchObject({ total: 0, previous_total: null, points: [], provenance: null })
  })

  it('compare with nothing where history does not reach back to', async () => {
    const { series } = MetricsResponse.parse(await (await metrics(lastDays(3))).json())
    expect(series.find(({ metric }) => metric === 'requests')).toMatchObject({ total: 9, previous_total: null })
  })

  it('say of a figure that was corrected when that was and what it had been, and of a window its coarsest sampling', async () => {
    await stand.sql`
      update flarewatch.facts_daily set corrected_at = ${at(-1)}, previous_value = 2, sampling = 4
      where site_id = ${own.site} and metric = 'requests' and window_start = ${at(-2)}`
    const { series } = MetricsResponse.parse(await (await metrics(lastDays(2))).json())
    const requests = series.find(({ metric }) => metric === 'requests')
    expect(requests?.points).toMatchObject([{ value: 3, corrected: { at: at(-1), previous_value: 2 } }, { value: 4 }])
    expect(requests?.provenance).toMatchObject({ sampling: 4 })
  })

  it('by the hour begin 90 days ago: a window that begins earlier is refused by name, never cut', async () => {
    const hours = (day: number) => metrics(`grain=hour&from=${at(day)}&to=${at(day + 7)}`)
    expect((await hours(-89)).status).toBe(200)
    expect(await codeOf(await hours(-92))).toEqual([410, 'hours_not_kept'])
  })

  it.each([
    ['no window', 'grain=day'],
    ['an unknown grain', lastDays(1).replace('day', 'week')],
    ['a window of nothing', `grain=day&from=${at(0)}&to=${at(0)}`],
    ['a window backwards', `grain=day&from=${at(0)}&to=${at(-1)}`],
    ['hours over more than 31 days', `grain=hour&from=${at(-32)}&to=${at(0)}`],
    ['days over more than two years', `grain=day&from=${at(-733)}&to=${at(0)}`],
    ['a time without zone', `${lastDays(1)}&from=2026-01-01T00:00:00`],
    ['a time before all records', `grain=day&from=0001-01-01T00:00:00Z&to=0001-01-02T00:00:00Z`],
    ['a name that nobody asked for', `${lastDays(1)}&tenant=x`],
    ['a name twice', `${lastDays(1)}&grain=hour`],
    ['more than a query can hold', `${lastDays(1)}&x=${'y'.repeat(600)}`],
  ])('refuse %s', async (_what, query) => {
    expect(await codeOf(await metrics(query))).toEqual([422, 'query_invalid'])
  })
})

describe('audit content', () => {
  it("comes from the vault, asked with the user's own token for the user's own tenant", async () => {
    const answer = await ask('/api/audit?after_seq=4', { user: own.user })
    const body = (await answer.json()) as { rows: Record<string, unknown>[] }
    expect(body).toMatchObject({ rows: [{ seq: 5, target: own.tenant }], next_after_seq: null })
    expect(body.rows[0]).not.toHaveProperty('sealed')
  })

  it('is asked for by what the reader names, and says where the next page is', async () => {
    const filters = `actor=${encodeURIComponent(`user:${own.user}`)}&action=credential.open&target=credential%3Ax`
    const answer = await ask(`/api/audit?order=newest&before_seq=9&${filters}`, { user: own.user })
    const { rows, next_before_seq } = AuditResponse.parse(await answer.json())
    expect(next_before_seq).toBe(9)
    expect(rows[0]?.detail).toEqual({
      beforeSeq: '9',
      order: 'newest',
      actor: `user:${own.user}`,
      action: 'credential.open',
      target: 'credential:x',
    })
    for (const query of ['order=random', 'actor=', `target=${'x'.repeat(129)}`, 'before_seq=-1', 'sealed=x']) {
      expect(await codeOf(await ask(`/api/audit?${query}`, { user: own.user })), query).toEqual([422, 'query_invalid'])
    }
  })

  it.each([
    [101, 423, 'tenant_frozen'],
    [102, 429, 'budget_exceeded'],
    [103, 503, 'vault_unreachable'],
    [104, 403, 'not_a_member'],
    [105, 500, 'internal'],
    [106, 503, 'vault_unreachable'],
  ])('is refused as the vault refuses (%i)', async (limit, status, code) => {
    expect(await codeOf(await ask(`/api/audit?limit=${limit}`, { user: own.user }))).toEqual([status, code])
  })
})

describe('receipts', () => {
  it('are public: the newest, any size, and the proof between two, as text', async () => {
    const log = TenantId.parse(randomUUID())
    const tree = await publish(log, [3, 7])
    const newest = await ask(`/receipts/${log}`)
    expect([newest.status, await sizeIn(await newest.text())]).toEqual([200, '7'])
    expect(newest.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    const third = await ask(`/receipts/${log}/3`)
    expect([await sizeIn(await third.text()), third.headers.get('cache-control')]).toEqual([
      '3',
      'public, max-age=31536000, immutable',
    ])
    const proof = await (await ask(`/receipts/${log}/3/7`)).text()
    expect(proof).toBe(
      tree
        .consistencyProof(3, 7)
        .map((hash) => `${toBase64(hash)}\n`)
        .join(''),
    )
  })

  it.each(['', '/4', '/03', '/-1', '/3/4', '/7/3', '/3/7/9', '/3e0', '/latest'])(
    'are not found at LOG%s',
    async (path) => {
      const log = TenantId.parse(randomUUID())
      if (path !== '') await publish(log, [3, 7])
      expect(await codeOf(await ask(`/receipts/${log}${path}`))).toEqual([404, 'not_found'])
    },
  )
})

describe('every answer', () => {
  it('says what the browser may do with it, and lets no other origin read it', async () => {
    for (const path of ['/', '/missing', '/api/config', '/api/nothing', '/receipts/x', '/.well-known/security.txt']) {
      const { headers } = await ask(path)
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
      expect(headers.get('strict-transport-security')).toMatch(/max-age=\d{8}/)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
      expect(headers.has('access-control-allow-origin')).toBe(false)
    }
  })

  it('is a refusal to whatever does more than read', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await ask('/api/sites', { user: own.user, method })
      expect(answer.headers.get('allow')).toBe('GET, HEAD')
      expect(await codeOf(answer)).toEqual([405, 'method_not_allowed'])
    }
  })

  it('is found at no address but its own, and only with a token where data is', async () => {
    expect(await codeOf(await ask('/api/nothing', { user: own.user }))).toEqual([404, 'not_found'])
    expect(await codeOf(await ask('/api/sites/no-uuid/metrics', { user: own.user }))).toEqual([404, 'not_found'])
    for (const path of ['/api/me', ...TENANT_ROUTES]) {
      expect(await codeOf(await ask(path))).toEqual([401, 'unauthenticated'])
    }
  })

  it('carries the page with the policy for the scripts in it, also when nothing was found', async () => {
    const [home, missing] = [await ask('/'), await ask('/missing')]
    expect([home.status, missing.status]).toEqual([200, 404])
    expect(await home.text()).toContain('start()')
    for (const { headers } of [home, missing]) {
      expect(headers.get('content-security-policy')).toMatch(/script-src 'self' 'sha256-[\w+/]+='/)
    }
  })
})

describe('a session', () => {
  it('T1 that was ended or has expired is refused at every address, though its token has not run out', async () => {
    const [ended, old, idle] = [randomUUID(), randomUUID(), randomUUID()]
    await begin(old, '24 hours')
    await begin(idle, '61 minutes')
    for (const path of ['/api/me', '/api/sessions', ...TENANT_ROUTES]) {
      const answer = await ask(path, { user: own.user, session: ended })
      expect(answer.headers.get('www-authenticate')).toBe('Bearer')
      expect(await codeOf(answer)).toEqual([401, 'session_ended'])
      expect(await codeOf(await ask(path, { user: own.user, session: old }))).toEqual([401, 'session_expired'])
      expect(await codeOf(await ask(path, { user: own.user, session: idle }))).toEqual([401, 'session_expired'])
    }
    await begin(ended, '0 minutes', other.user)
    expect(await codeOf(await ask('/api/me', { user: own.user, session: ended }))).toEqual([401, 'session_ended'])
  })

  it('that is used goes on beyond its first hour', async () => {
    const session = randomUUID()
    await begin(session, '59 minutes')
    expect((await ask('/api/me', { user: own.user, session })).status).toBe(200)
    const noted = () => stand.sql`select from flarewatch.session_uses where session_id = ${session}`
    await expect.poll(async () => (await noted()).length).toBe(1)
    await begin(session, '2 hours')
    expect((await ask('/api/me', { user: own.user, session })).status).toBe(200)
  })

  it('is listed for its own person at AAL2, with when, where and by what', async () => {
    const user = (await stand.agency('people')).user
    const [here, there] = [randomUUID(), randomUUID()]
    await begin(here, '10 minutes', user)
    await begin(there, '20 minutes', user)
    await stand.sql`update auth.sessions set user_agent = 'Firefox', ip = '192.0.2.7', aal = 'aal1' where id = ${there}`
    const { sessions } = SessionsResponse.parse(await (await ask('/api/sessions', { user, session: here })).json())
    const line = { begun_at: expect.any(String), used_at: expect.any(String) }
    expect(sessions).toEqual([
      { ...line, id: here, user_agent: null, ip: null, aal: 'aal2', current: true },
      { ...line, id: there, user_agent: 'Firefox', ip: '192.0.2.7', aal: 'aal1', current: false },
    ])
    for (const method of ['GET', 'DELETE']) {
      const answer = await ask('/api/sessions?which=all', { user, session: here, aal: 'aal1', method })
      expect(await codeOf(answer)).toEqual([403, 'aal2_required'])
    }
  })

  it('is ended by the vault, one or several, and by no other method', async () => {
    const end = (path: string) => ask(path, { user: own.user, method: 'DELETE' })
    expect(await (await end(`/api/sessions/${randomUUID()}`)).json()).toEqual({ ended: 1 })
    for (const which of ['others', 'all']) {
      expect(await (await end(`/api/sessions?which=${which}`)).json()).toEqual({ ended: 2 })
    }
    for (const path of [`/api/sessions/${UNKNOWN_SESSION}`, '/api/sessions/no-uuid']) {
      expect(await codeOf(await end(path))).toEqual([404, 'not_found'])
    }
    for (const query of ['', '?which=mine', '?which=all&which=all']) {
      expect(await codeOf(await end(`/api/sessions${query}`))).toEqual([422, 'query_invalid'])
    }
    expect(await codeOf(await ask('/api/sessions', { user: own.user, method: 'POST' }))).toEqual([
      405,
      'method_not_allowed',
    ])
    const read = await ask(`/api/sessions/${randomUUID()}`, { user: own.user })
    expect([read.status, read.headers.get('allow')]).toEqual([405, 'DELETE'])
  })

  const begin = (id: string, ago: string, user = own.user) => stand.sql`
    insert into auth.sessions (id, user_id, created_at, aal) values (${id}, ${user}, now() - ${ago}::interval, 'aal2')
    on conflict (id) do update set created_at = excluded.created_at`
})

describe('status', () => {
  const parts = async () => {
    const { parts, figures } = StatusResponse.parse(await (await ask('/api/status', { user: own.user })).json())
    return { figures, states: Object.fromEntries(parts.map(({ name, state }) => [name, state])) }
  }

  it("tells the queue's depth, dead letters and how late the cron is, of the caller's tenant alone", async () => {
    const [credential] = await stand.sql<{ id: string }[]>`
      update flarewatch.credentials set next_poll_at = now() - interval '10 minutes' where tenant_id = ${own.tenant} returning id`
    const late = await parts()
    expect(late.states).toMatchObject({ scheduler: 'degraded', queue: 'ok' })
    expect(late.figures).toMatchObject({ jobs_due: 1, jobs_leased: 0, newest_job_at: null, dead_letters_24h: 0 })
    expect(late.figures?.cron_lag_seconds).toBeGreaterThanOrEqual(600)

    for (const [state, ended] of [['leased', null] as const, ['dead', new Date()] as const]) {
      await stand.sql`insert into flarewatch.jobs (tenant_id, credential_id, state, lease_until, created_at, finished_at)
        values (${own.tenant}, ${credential?.id ?? ''}, ${state}, now() + interval '1 minute', now(), ${ended})`
    }
    const polled = await parts()
    expect(polled.states).toMatchObject({ scheduler: 'ok', queue: 'degraded' })
    expect(polled.figures).toMatchObject({ jobs_due: 0, jobs_leased: 1, dead_letters_24h: 1, cron_lag_seconds: 0 })
    const { figures } = StatusResponse.parse(await (await ask('/api/status', { user: other.user })).json())
    expect(figures).toMatchObject({ jobs_leased: 0, dead_letters_24h: 0 })
  })

  it('tells in words whether Auth has asked about failed attempts', async () => {
    const detail = async () => {
      const { parts } = StatusResponse.parse(await (await ask('/api/status', { user: own.user })).json())
      return parts.find(({ name }) => name === 'delays')
    }
    const unseen =
      "on wrong passwords: not seen (Auth's own limits apply), on wrong codes: not seen (Auth's own limits apply)"
    expect(await detail()).toEqual({ name: 'delays', state: 'ok', detail: unseen })
    await stand.sql`insert into flarewatch.hook_calls (hook, called_at) values ('password', now()), ('mfa', now())`
    expect(await detail()).toMatchObject({ detail: 'on wrong passwords: on, on wrong codes: on' })
  })

  it("L4: tells whether the owners' mails go out, and counts open incidents", async () => {
    await stand.sql`delete from flarewatch.mail_outbox`
    expect((await parts()).states).toMatchObject({ incidents: 'ok', mail: 'ok' })
    await stand.sql`insert into flarewatch.incidents (id, tenant_id, kind, part, at)
      values (${randomUUID()}, ${own.tenant}, 'fork', 'verifier', now() - interval '1 minute')`
    const fresh = await parts()
    expect(fresh.states).toMatchObject({ incidents: 'degraded', mail: 'ok' })
    expect(fresh.figures).toMatchObject({ open_incidents: 1, mails_waiting: 1, mails_given_up_24h: 0 })
    await stand.sql`update flarewatch.mail_outbox set due_at = due_at - interval '10 minutes'`
    expect((await parts()).states).toMatchObject({ mail: 'degraded' })
    await stand.sql`update flarewatch.mail_outbox set given_up_at = now() - interval '1 minute', reason = 'recipient_gone'`
    const dead = await parts()
    expect(dead.states).toMatchObject({ mail: 'degraded' })
    expect(dead.figures).toMatchObject({ mails_waiting: 0, mails_given_up_24h: 1 })
    const { figures } = StatusResponse.parse(await (await ask('/api/status', { user: other.user })).json())
    expect(figures).toMatchObject({ open_incidents: 0, mails_waiting: 0, mails_given_up_24h: 0 })
  })
})

describe('when the database does not answer', () => {
  it('data is refused as unreachable, and status says which part is down', async () => {
    stand.store.shut()
    try {
      expect(await codeOf(await ask('/api/sites', { user: own.user }))).toEqual([503, 'store_unreachable'])
      const status = StatusResponse.parse(await (await ask('/api/status', { user: own.user })).json())
      expect(status.ok).toBe(false)
      expect(status.parts.map(({ name, state }) => [name, state])).toEqual([
        ['store', 'down'],
        ['vault', 'ok'],
      ])
    } finally {
      stand.store.open()
    }
    const status = StatusResponse.parse(await (await ask('/api/status', { user: own.user })).json())
    expect(status.parts.map(({ name }) => name)).toEqual([
      'store',
      'scheduler',
      'queue',
      'connectors',
      'receipts',
      'nights',
      'incidents',
      'mail',
      'delays',
      'vault',
    ])
  })
})

function ask(path: string, how: Ask = {}): Promise<Response> {
  return stand.ask(path, how)
}

function lastDays(days: number): string {
  return `grain=day&from=${at(-days)}&to=${at(0)}`
}

function publish(log: TenantId, sizes: readonly number[]) {
  const leaves = Array.from({ length: Math.max(...sizes) }, (_, row) => leaf(row))
  return stand.publish(log, leaves, sizes)
}

/** Stands for a row's hash: 32 bytes. */
function leaf(row: number): Uint8Array {
  const bytes = new Uint8Array(32)
  bytes.set(u64be(row))
  return bytes
}

/** The size that a receipt states, once its signature holds. */
async function sizeIn(note: string): Promise<string | undefined> {
  const vkey = parseVkey(stand.vkey)
  const opened = vkey.ok ? await openNote(note, [vkey.value]) : vkey
  return opened.ok ? opened.value.text.split('\n')[1] : opened.code
}
