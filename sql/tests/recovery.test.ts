import { randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { WORKER_ROLES } from '../../local/postgres/roles.ts'
import { as, connectAs, fromLiveSession, refusal, rolledBack, type Tx } from './database.ts'
import { addAccount, enrolTotp, NOW, seedWorld, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const racers = connectAs('supabase_admin', 8)
const HOUR_MS = 3_600_000
const FUNCTIONS = ['replace_recovery_codes', 'recovery_codes_left', 'try_recovery_code', 'use_recovery_code'] as const
type Name = (typeof FUNCTIONS)[number]
type Request = Record<string, unknown>

const hashes = () => Array.from({ length: 10 }, () => randomBytes(32).toString('base64url'))
const at = (offset = 0) => new Date(NOW.getTime() + offset).toISOString()

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => act(tx, await seedWorld(tx)))
}

/** The answer, or the stable code of a refusal: as the Edge Functions see it. */
async function call(tx: Tx, name: Name, asked: Request): Promise<unknown> {
  const request = await fromLiveSession(tx, asked)
  try {
    const [row] = await tx.savepoint((inner) =>
      as(
        inner,
        'service_role',
        () => inner`select ${inner(`privileged.${name}`)}(${inner.json(request as never)}) as answer`,
      ),
    )
    return row?.answer
  } catch (error) {
    if (error instanceof postgres.PostgresError && /^FW0\d\d$/.test(error.code)) return error.message
    throw error
  }
}

/** A person with ten codes. */
async function holder(tx: Tx): Promise<{ id: string; codes: string[] }> {
  const id = randomUUID()
  await addAccount(tx, id, `${id}@x.test`, NOW)
  await enrolTotp(tx, id, 'verified')
  const codes = hashes()
  await call(tx, 'replace_recovery_codes', { user_id: id, code_hashes: codes, at: at() })
  return { id, codes }
}

describe('T4: recovery codes and the count of tries are reached', () => {
  test.each([...WORKER_ROLES, 'anon', 'authenticated'] as const)('by no function of %s’s', (role) =>
    inWorld(async (tx) => {
      for (const name of FUNCTIONS) {
        const code = await refusal(tx, role, (inner) => inner`select ${inner(`privileged.${name}`)}('{}'::jsonb)`)
        expect(code, name).toBe('42501')
      }
    }),
  )

  test.each([
    ...WORKER_ROLES.filter((role) => role !== 'flarewatch_vault'),
    'anon',
    'authenticated',
    'service_role',
  ] as const)('by no statement of %s’s, whoever the person is', (role) =>
    inWorld(async (tx) => {
      for (const table of ['recovery_codes', 'recovery_attempts']) {
        const code = await refusal(tx, role, (inner) => inner`select from ${inner(`flarewatch.${table}`)}`)
        expect(code, table).toBe('42501')
      }
    }),
  )

  test('by the vault, for a hash that stands, and to change nothing', () =>
    inWorld(async (tx) => {
      const { id, codes } = await holder(tx)
      const [code = ''] = codes
      const seen = () =>
        as(tx, 'flarewatch_vault', () => tx`select user_id from flarewatch.recovery_codes where user_id = ${id}`)
      expect(await seen()).toHaveLength(10)
      await call(tx, 'use_recovery_code', { user_id: id, code_hash: code, at: at() })
      expect(await seen()).toHaveLength(9)
      const changed = (inner: Tx) => inner`update flarewatch.recovery_codes set used_at = null`
      expect(await refusal(tx, 'flarewatch_vault', changed)).toBe('42501')
      expect(await refusal(tx, 'flarewatch_vault', (inner) => inner`delete from flarewatch.recovery_codes`)).toBe(
        '42501',
      )
    }))
})

describe('A1: recovery codes', () => {
  test('are made by whoever has a second factor, ten at a time, and all earlier ones go', () =>
    inWorld(async (tx, { outsider }) => {
      const unenrolled = randomUUID()
      const asked = { user_id: unenrolled, code_hashes: hashes(), at: at() }
      expect(await call(tx, 'replace_recovery_codes', asked)).toBe('aal2_required')
      const nine = { user_id: outsider, code_hashes: hashes().slice(1), at: at() }
      expect(await call(tx, 'replace_recovery_codes', nine)).toBe('request_invalid')
      const { id, codes } = await holder(tx)
      await call(tx, 'replace_recovery_codes', { user_id: id, code_hashes: hashes(), at: at() })
      expect(await call(tx, 'recovery_codes_left', { user_id: id })).toEqual({ left: 10 })
      const old = { user_id: id, code_hash: codes[0], at: at() }
      expect(await call(tx, 'try_recovery_code', old)).toEqual({ state: 'invalid' })
      expect(await call(tx, 'use_recovery_code', old)).toBe('recovery_code_invalid')
    }))

  test('are used once, by their own person alone', () =>
    inWorld(async (tx) => {
      const [ada, bo] = [await holder(tx), await holder(tx)]
      const [code] = ada.codes
      const stolen = { user_id: bo.id, code_hash: code, at: at() }
      expect(await call(tx, 'try_recovery_code', stolen)).toEqual({ state: 'invalid' })
      expect(await call(tx, 'use_recovery_code', stolen)).toBe('recovery_code_invalid')
      const own = { user_id: ada.id, code_hash: code, at: at() }
      expect(await call(tx, 'try_recovery_code', own)).toEqual({ state: 'stands' })
      expect(await call(tx, 'use_recovery_code', own)).toEqual({ left: 9 })
      expect(await call(tx, 'use_recovery_code', own)).toBe('recovery_code_invalid')
      expect(await call(tx, 'try_recovery_code', own)).toEqual({ state: 'invalid' })
    }))

  test('are tried ten times an hour, also by who has none, and a right one does not help then', () =>
    inWorld(async (tx) => {
      const { id, codes } = await holder(tx)
      const nobody = randomUUID()
      const tried = async (user: string, code_hash: string | undefined, offset: number) =>
        call(tx, 'try_recovery_code', { user_id: user, code_hash, at: at(offset) })
      for (let round = 0; round < 10; round += 1) {
        expect(await tried(id, hashes()[0], round)).toEqual({ state: 'invalid' })
        expect(await tried(nobody, hashes()[0], round)).toEqual({ state: 'invalid' })
      }
      expect(await tried(id, codes[0], HOUR_MS - 1)).toEqual({ state: 'too_many' })
      expect(await tried(nobody, codes[0], HOUR_MS - 1)).toEqual({ state: 'too_many' })
      expect(await tried(id, codes[0], HOUR_MS)).toEqual({ state: 'stands' })
    }))
})

/** These commit, since one transaction cannot race itself. */
test('A1: of many who use one code at the same moment one does', async () => {
  const id = randomUUID()
  const [code = ''] = hashes()
  await sql`
    insert into flarewatch.recovery_codes (user_id, code_hash, created_at)
    values (${id}, ${Buffer.from(code, 'base64url')}, ${NOW})`
  const request = { user_id: id, code_hash: code, at: at() }
  const use = () =>
    racers`select privileged.use_recovery_code(${racers.json(request)})`.then(
      () => 'used',
      (error: unknown) => (error instanceof postgres.PostgresError ? error.message : 'failed'),
    )
  const outcomes = await Promise.all(Array.from({ length: 8 }, use))
  expect(outcomes.filter((outcome) => outcome === 'used')).toHaveLength(1)
  expect(outcomes.filter((outcome) => outcome === 'recovery_code_invalid')).toHaveLength(7)
  await sql`delete from flarewatch.recovery_codes where user_id = ${id}`
})
