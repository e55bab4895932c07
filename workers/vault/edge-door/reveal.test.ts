import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { randomBytes, toBase64Url } from '../../../domain/bytes.ts'
import { requestDigest } from '../../../domain/contracts/request-digest.ts'
import type { StepUpAction } from '../../../domain/contracts/step-up.ts'
import { openRecord } from '../../../domain/envelope/record.ts'
import { type OperatorKey, operatorKeyOf, vouchFor } from '../../../domain/operator-key/key.ts'
import { hpkeHalf, operatorKeyId } from '../../../domain/operator-key/public-key.ts'
import { pickupIdOf } from '../../../domain/operator-key/reveal.ts'
import { bornTenant, bytes, type StandTenant, storeCredential } from '../../../local/stands/tenants.ts'
import {
  type EdgeAnswer,
  newUser,
  startVaultStand,
  type User,
  type VaultStand,
} from '../../../local/stands/vault-stand.ts'

let stand: VaultStand
beforeAll(async () => {
  stand = await startVaultStand()
})
afterAll(() => stand?.stop())

const SECRET = 'cf-token-that-must-stay-secret-0001'
const HOUR = 60 * 60_000
const idOf = ({ publicKey }: OperatorKey) => operatorKeyId(publicKey)
const newKey = () => operatorKeyOf(randomBytes(32))

async function tokenFor(tenant: StandTenant, user: User, action: StepUpAction, target: string, request: object) {
  const digest = await requestDigest(action, request as Parameters<typeof requestDigest>[1])
  const body = { tenant_id: tenant.id, action, target_id: target, request_digest: digest }
  const minted = await stand.edgeCall('step-up-mint', body, { user })
  return minted.code === null ? (minted.body.token ?? '') : ''
}

async function enrol(tenant: StandTenant, key: OperatorKey, voucher?: OperatorKey, user = tenant.owner) {
  const context = { tenantId: tenant.id, userId: user.id, newKey: key.publicKey }
  const vouch =
    voucher === undefined
      ? null
      : { key_id: idOf(voucher), signature: toBase64Url(await vouchFor(voucher.signingSeed, context)) }
  const request = { tenant_id: tenant.id, public_key: toBase64Url(key.publicKey), vouch }
  const stepUp = await tokenFor(tenant, user, 'operator_key.enrol', idOf(key), request)
  return stand.edgeCall('operator-key-enrol', request, { user, stepUp })
}

type Reveal = { readonly credentialId: string; readonly keyId: string; readonly pickupSecret: Uint8Array }

async function reveal(tenant: StandTenant, { credentialId, keyId, pickupSecret }: Reveal, user = tenant.owner) {
  const request = revealRequest(tenant, { credentialId, keyId, pickupSecret })
  const stepUp = await tokenFor(tenant, user, 'credential.reveal', credentialId, request)
  return stand.edgeCall('credential-reveal', request, { user, stepUp })
}

function revealRequest(tenant: StandTenant, { credentialId, keyId, pickupSecret }: Reveal) {
  const pickup_id = toBase64Url(pickupIdOf(pickupSecret))
  return { tenant_id: tenant.id, credential_id: credentialId, key_id: keyId, pickup_id }
}

async function ready() {
  const [tenant, key] = [await bornTenant(stand), await newKey()]
  await enrol(tenant, key)
  const credential = await storeCredential(stand, tenant, SECRET)
  const asked = { credentialId: credential.id, keyId: idOf(key), pickupSecret: randomBytes(32) }
  return { tenant, key, credential, asked }
}

async function member(tenant: StandTenant, role: string): Promise<User> {
  const user = newUser()
  await stand.sql`insert into flarewatch.members (tenant_id, user_id, role) values (${tenant.id}, ${user.id}, ${role})`
  return user
}

const collect = (tenant: StandTenant, secret: Uint8Array, user = tenant.owner) =>
  stand.edgeCall('reveal-collect', { tenant_id: tenant.id, pickup_secret: toBase64Url(secret) }, { user })
const deliver = (tenant: StandTenant, answer: EdgeAnswer, user = tenant.owner) =>
  stand.edgeCall(
    'reveal-deliver',
    { tenant_id: tenant.id, intent_row: answer.body.intent_row, dek_version: 1, sealed: toBase64Url(randomBytes(80)) },
    { user },
  )

describe('an enrolment', () => {
  it('V7: of a first key counts at once and is mailed to every owner; a further one waits 24 hours', async () => {
    const [tenant, first, second] = [await bornTenant(stand), await newKey(), await newKey()]
    const other = await member(tenant, 'owner')
    expect((await enrol(tenant, first)).body).toMatchObject({ key_id: idOf(first), state: 'active' })
    const waits = (await enrol(tenant, second)).body
    expect(waits).toMatchObject({ state: 'waiting' })
    expect(Date.parse(waits.active_at ?? '') - stand.now()).toBeGreaterThan(23 * HOUR)
    const mails = await stand.sql`
      select user_id, payload ->> 'key_id' as key from flarewatch.mail_outbox where tenant_id = ${tenant.id}`
    const told = mails.map(({ user_id, key }) => `${user_id} ${key}`)
    const expected = [tenant.owner.id, other.id].flatMap((id) => [`${id} ${idOf(first)}`, `${id} ${idOf(second)}`])
    expect(told.sort()).toEqual(expected.sort())
  })

  it('V7: by the signature of an active key counts at once, and none is mailed', async () => {
    const [tenant, first, second] = [await bornTenant(stand), await newKey(), await newKey()]
    await enrol(tenant, first)
    expect((await enrol(tenant, second, first)).body).toMatchObject({ state: 'active' })
    expect(await enrol(tenant, await newKey(), await newKey())).toMatchObject({ code: 'vouch_invalid' })
    const [count] = await stand.sql`
      select count(*)::int as mails from flarewatch.mail_outbox where tenant_id = ${tenant.id}`
    expect(count).toEqual({ mails: 1 })
  })

  it('V7: does not count while its mails cannot be written, and is taken up where it stopped', async () => {
    const [tenant, key] = [await bornTenant(stand), await newKey()]
    await stand.sql`revoke execute on function flarewatch.mail_operator_key from flarewatch_vault`
    expect(await enrol(tenant, key)).toMatchObject({ code: 'store_unreachable' })
    const listed = await stand.edgeCall('operator-key-list', { tenant_id: tenant.id }, { user: tenant.owner })
    expect(listed.body.keys).toMatchObject([{ key_id: idOf(key), state: 'unannounced' }])
    await stand.sql`grant execute on function flarewatch.mail_operator_key to flarewatch_vault`
    expect((await enrol(tenant, key)).body).toMatchObject({ state: 'active' })
  })

  it('A4: is bound to the very key: a token for another enrols none', async () => {
    const [tenant, ours, swapped] = [await bornTenant(stand), await newKey(), await newKey()]
    const request = { tenant_id: tenant.id, public_key: toBase64Url(ours.publicKey), vouch: null }
    const stepUp = await tokenFor(tenant, tenant.owner, 'operator_key.enrol', idOf(ours), request)
    const body = { ...request, public_key: toBase64Url(swapped.publicKey) }
    const answer = await stand.edgeCall('operator-key-enrol', body, { user: tenant.owner, stepUp })
    expect(answer.code).toBe('step_up_invalid')
  })

  it('is for owners alone, in the list and the removal too', async () => {
    const { tenant, key } = await ready()
    for (const user of [await member(tenant, 'viewer'), newUser()]) {
      const code = user.id in tenant ? '' : expect.stringMatching(/^(role_insufficient|not_a_member)$/)
      expect((await enrol(tenant, await newKey(), undefined, user)).code).toEqual(code)
      expect((await stand.edgeCall('operator-key-list', { tenant_id: tenant.id }, { user })).code).toEqual(code)
      const body = { tenant_id: tenant.id, key_id: idOf(key) }
      expect((await stand.edgeCall('operator-key-remove', body, { user })).code).toEqual(code)
    }
  })
})

describe('a reveal', () => {
  it("V7: releases one record's subkey with the half that was enrolled, and its answer is picked up once", async () => {
    const { tenant, key, credential, asked } = await ready()
    const answer = await reveal(tenant, asked)
    expect(answer.code).toBeNull()
    expect(answer.body.operator_key).toBe(toBase64Url(hpkeHalf(key.publicKey)))
    const context = { tenantId: tenant.id, credentialId: credential.id, dekVersion: 1 }
    const opened = await openRecord({ subkey: bytes(answer.body.subkey), context, sealed: credential.sealed })
    expect(opened.ok && new TextDecoder().decode(opened.value)).toBe(SECRET)
    expect((await collect(tenant, asked.pickupSecret)).body).toEqual({ answer: null })
    expect((await deliver(tenant, answer)).code).toBeNull()
    expect((await deliver(tenant, answer)).code).toBe('reveal_unknown')
    const both = await Promise.all([collect(tenant, asked.pickupSecret), collect(tenant, asked.pickupSecret)])
    expect(both.filter(({ body }) => body.answer !== null)).toHaveLength(1)
  })

  it('V7: yields no subkey with no key, a waiting, removed or other key, of another member or tenant', async () => {
    const { tenant, asked } = await ready()
    const { key: strangers } = await ready()
    const [waiting, removed, others] = [await newKey(), await newKey(), await newKey()]
    await enrol(tenant, waiting)
    await enrol(tenant, removed)
    await stand.edgeCall('operator-key-remove', { tenant_id: tenant.id, key_id: idOf(removed) }, { user: tenant.owner })
    await enrol(tenant, others, undefined, await member(tenant, 'owner'))
    const cases: [OperatorKey, string][] = [
      [await newKey(), 'operator_key_unknown'],
      [waiting, 'operator_key_waiting'],
      [removed, 'operator_key_unknown'],
      [strangers, 'operator_key_unknown'],
      [others, 'operator_key_unknown'],
    ]
    for (const [key, code] of cases) {
      const answer = await reveal(tenant, { ...asked, keyId: idOf(key) })
      expect(answer.code).toBe(code)
      expect(answer.body.subkey).toBeUndefined()
    }
  })

  it('A4: is bound to credential, key and pickup: a token for one opens no other', async () => {
    const { tenant, credential, asked, key } = await ready()
    const second = await newKey()
    await enrol(tenant, second, key)
    const other = await storeCredential(stand, tenant, 'another')
    for (const changed of [
      { credentialId: other.id },
      { keyId: idOf(second) },
      { pickupSecret: randomBytes(32) },
    ] satisfies Partial<Reveal>[]) {
      const request = revealRequest(tenant, asked)
      const stepUp = await tokenFor(tenant, tenant.owner, 'credential.reveal', credential.id, request)
      const body = revealRequest(tenant, { ...asked, ...changed })
      const answer = await stand.edgeCall('credential-reveal', body, { user: tenant.owner, stepUp })
      expect(answer.code).toBe('step_up_invalid')
    }
    expect((await stand.edgeCall('credential-reveal', revealRequest(tenant, asked), { user: tenant.owner })).code).toBe(
      'step_up_required',
    )
  })

  it("T4: of another tenant's credential is of one that is unknown, and leaves its budget alone", async () => {
    const { tenant, asked } = await ready()
    const { credential: foreign } = await ready()
    expect((await reveal(tenant, { ...asked, credentialId: foreign.id })).code).toBe('credential_unknown')
    expect((await reveal(tenant, { ...asked, credentialId: randomUUID() })).code).toBe('credential_unknown')
  })

  it('T6: gives no key of a frozen tenant', async () => {
    const { tenant, asked } = await ready()
    await stand.call('AUDIT_LEDGER', tenant.id, 'freeze', 'drill', stand.now())
    expect((await reveal(tenant, asked)).code).toBe('tenant_frozen')
  })

  it('V7: is not delivered or picked up by another member, also an owner', async () => {
    const { tenant, asked } = await ready()
    const other = await member(tenant, 'owner')
    const answer = await reveal(tenant, asked)
    expect((await deliver(tenant, answer, other)).code).toBe('reveal_unknown')
    expect((await deliver(tenant, answer)).code).toBeNull()
    expect((await collect(tenant, asked.pickupSecret, other)).body).toEqual({ answer: null })
    expect((await collect(tenant, asked.pickupSecret, newUser())).code).toBe('not_a_member')
  })
})
