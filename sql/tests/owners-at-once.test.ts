import { randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { connectAs } from './database.ts'
import { NOW } from './world.ts'

const sql = connectAs('supabase_admin')
const racers = connectAs('supabase_admin', 8)
const idempotency = () => ({
  key: randomUUID(),
  function: 'test',
  request_digest: randomBytes(32).toString('base64url'),
})

function codeOf(error: unknown): string {
  if (error instanceof postgres.PostgresError && /^FW0\d\d$/.test(error.code)) return error.message
  throw error
}

/** These commit, since one transaction cannot race itself. */
describe('two owners at the same moment', () => {
  async function twoOwners() {
    const [tenant, one, two] = [randomUUID(), randomUUID(), randomUUID()]
    await sql`insert into flarewatch.tenants (id, name, state, activated_at) values (${tenant}, 'Racing', 'active', ${NOW})`
    for (const owner of [one, two]) {
      await sql`insert into flarewatch.members (tenant_id, user_id, role) values (${tenant}, ${owner}, 'owner')`
    }
    return { tenant, one, two }
  }
  const requestOf = (tenant_id: string, user_id: string, member_id: string, role: string | null) => ({
    tenant_id,
    user_id,
    member_id,
    role,
    idempotency: idempotency(),
  })
  const change = (request: ReturnType<typeof requestOf>) =>
    racers`select privileged.change_member(${racers.json(request)})`.then(() => 'done', codeOf)
  const ownersOf = async (tenant: string) => {
    const rows = await sql`select user_id from flarewatch.members where tenant_id = ${tenant} and role = 'owner'`
    return rows.map(({ user_id }) => user_id)
  }

  test.each([
    ['remove', 'remove', null, null],
    ['demote', 'demote', 'operator', 'operator'],
    ['remove', 'demote', null, 'viewer'],
  ] as const)('who %s and %s each other: one does, and is the owner who remains', async (_, __, first, second) => {
    for (let round = 0; round < 8; round += 1) {
      const { tenant, one, two } = await twoOwners()
      const outcomes = await Promise.all([
        change(requestOf(tenant, one, two, first)),
        change(requestOf(tenant, two, one, second)),
      ])
      expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(1)
      expect(outcomes.filter((outcome) => ['not_a_member', 'role_insufficient'].includes(outcome))).toHaveLength(1)
      expect(await ownersOf(tenant)).toEqual([outcomes[0] === 'done' ? one : two])
    }
  })

  test('the second waits for the first to commit and is then judged as what it left', async () => {
    const { tenant, one, two } = await twoOwners()
    const second = await racers.begin(async (tx) => {
      await tx`select privileged.change_member(${tx.json(requestOf(tenant, one, two, 'viewer'))})`
      const [mine] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`
      const waiting = change(requestOf(tenant, two, one, null))
      await someoneWaitsFor(mine?.pid ?? 0)
      return { waiting }
    })
    expect(await second.waiting).toBe('role_insufficient')
    expect(await ownersOf(tenant)).toEqual([one])
  })

  test('A1: ask for one person’s reset: one request is open, and one is refused', async () => {
    const { tenant, one, two } = await twoOwners()
    const person = randomUUID()
    await sql`insert into flarewatch.members (tenant_id, user_id, role) values (${tenant}, ${person}, 'viewer')`
    await sql`
      insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
      values (${randomUUID()}, ${person}, 'totp', 'verified', ${NOW}, ${NOW})`
    const ask = (user_id: string) => {
      const request = {
        tenant_id: tenant,
        user_id,
        member_id: person,
        idempotency: idempotency(),
        at: NOW.toISOString(),
      }
      return racers`select privileged.request_member_reset(${racers.json(request)})`.then(() => 'done', codeOf)
    }
    const outcomes = await Promise.all([one, two, one, two].map(ask))
    expect(outcomes.sort()).toEqual(['done', 'member_reset_open', 'member_reset_open', 'member_reset_open'])
    const mails = await sql`select from flarewatch.mail_outbox where tenant_id = ${tenant}`
    expect(mails).toHaveLength(3)
    await sql`delete from flarewatch.mail_outbox where tenant_id = ${tenant}`
    await sql`delete from auth.mfa_factors where user_id = ${person}`
  })
})

async function someoneWaitsFor(pid: number): Promise<void> {
  for (;;) {
    const [row] = await sql<{ n: number }[]>`
      select count(*)::int as n from pg_stat_activity where ${pid}::int = any (pg_blocking_pids(pid))`
    if ((row?.n ?? 0) > 0) return
  }
}
