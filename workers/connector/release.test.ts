import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { randomBytes, utf8 } from '../../domain/bytes.ts'
import type { ConnectorDoorApi, OpenedCredential, ResealKeys } from '../../domain/contracts/connector-door.ts'
import { AuditRowId, CredentialId, JobId, TenantId } from '../../domain/contracts/ids.ts'
import { commitmentUnder, openRecord, sealRecord } from '../../domain/envelope/record.ts'
import type { Secret } from '../../domain/secret.ts'
import type { JobStore, LeasedJob, ResealedRecord } from './job-store.ts'
import { withCredential } from './release.ts'
import { resealJob } from './reseal.ts'

/** A vault and a store that answer as a test says, to stand between two moments that no test can hit from outside. */
const SECRET = 'cf-token-that-must-stay-secret-0003'
const tenantId = TenantId.parse(randomUUID())
const credentialId = CredentialId.parse(randomUUID())
const contextOf = (dekVersion: number) => ({ tenantId, credentialId, dekVersion })
const intentRow = AuditRowId.parse(randomUUID())

async function record(dekVersion: number) {
  const subkey = randomBytes(32)
  const ciphertext = await sealRecord({ subkey, context: contextOf(dekVersion), plaintext: utf8(SECRET) })
  return { dekVersion, subkey, ciphertext: new Uint8Array(ciphertext) }
}

function leased(
  { dekVersion, ciphertext }: { dekVersion: number; ciphertext: Uint8Array<ArrayBuffer> },
  kind: 'poll' | 'reseal',
): LeasedJob {
  return {
    id: JobId.parse(randomUUID()),
    tenant_id: tenantId,
    credential_id: credentialId,
    kind,
    attempt: 1,
    reason: null,
    provider: 'cloudflare',
    credential_state: 'active',
    sites_seen_at: null,
    dek_version: dekVersion,
    ciphertext,
  }
}

describe('a poll whose record is re-sealed between two reads', () => {
  const vaultOf = (opened: Omit<OpenedCredential, 'ok'>) =>
    ({ open: async () => ({ ok: true, ...opened }) }) as unknown as ConnectorDoorApi
  const storeOf = (now: LeasedJob | undefined) => ({ leased: async () => now }) as unknown as JobStore

  it('V1 opens the record as it is now, by the key that was given for it', async () => {
    const [before, after] = [await record(1), await record(2)]
    const job = leased(before, 'poll')
    const vault = vaultOf({ tenantId, credentialId, dekVersion: 2, subkey: Uint8Array.from(after.subkey), intentRow })
    const read = (secret: Secret) => Promise.resolve(secret.use((text) => text))
    const parts = { vault, store: storeOf({ ...job, dek_version: 2, ciphertext: after.ciphertext }) }
    expect(await withCredential(parts, job, read)).toEqual({ ok: true, value: SECRET })
  })

  it('V1 of the secret that took its place under the same DEK, it opens that; else the fault stays what it was', async () => {
    const [before, after] = [await record(1), await record(1)]
    const job = leased(before, 'poll')
    const read = (secret: Secret) => Promise.resolve(secret.use((text) => text))
    const opening = (now: LeasedJob | undefined) => {
      const vault = vaultOf({ tenantId, credentialId, dekVersion: 1, subkey: Uint8Array.from(after.subkey), intentRow })
      return withCredential({ vault, store: storeOf(now) }, job, read)
    }
    expect(await opening({ ...job, ciphertext: after.ciphertext })).toEqual({ ok: true, value: SECRET })
    for (const now of [undefined, job]) {
      expect(await opening(now)).toMatchObject({ ok: false, code: 'not_openable', told: 'record_commitment_mismatch' })
    }
  })

  it('that moved once more, or whose lease is over, is tried again', async () => {
    const [before, after] = [await record(1), await record(3)]
    const job = leased(before, 'poll')
    for (const now of [undefined, leased(after, 'poll')]) {
      const vault = vaultOf({ tenantId, credentialId, dekVersion: 2, subkey: randomBytes(32), intentRow })
      const opened = await withCredential({ vault, store: storeOf(now) }, job, async () => 'never')
      expect(opened).toEqual({ ok: false, code: 'record_moved', retryable: true, told: 'record_moved' })
    }
  })
})

describe('V5: a re-seal', () => {
  async function run(damage: (keys: ResealKeys) => ResealKeys = (keys) => keys, swapped = true) {
    const before = await record(1)
    const sealing = randomBytes(32)
    const job = leased(before, 'reseal')
    const keys = damage({
      ok: true,
      tenantId,
      credentialId,
      from: { dekVersion: 1, subkey: Uint8Array.from(before.subkey) },
      to: {
        dekVersion: 2,
        kekVersion: 1,
        wrappedDek: randomBytes(60),
        salt: randomBytes(32),
        subkey: Uint8Array.from(sealing),
        commitment: await commitmentUnder(sealing),
      },
      intentRow,
    })
    const stored: ResealedRecord[] = []
    const told: string[] = []
    const vault = {
      reseal: async () => keys,
      settle: async (_: JobId, { code }: { code: string }) => {
        told.push(code)
        return { ok: true }
      },
    } as unknown as ConnectorDoorApi
    const store = {
      reseal: async (_: LeasedJob, next: ResealedRecord) => {
        stored.push(next)
        return swapped
      },
      finishReseal: async () => {},
    } as unknown as JobStore
    const verdict = await resealJob({ vault, store }, job)
    return { verdict, stored, told, keys, sealing }
  }

  it('stores what opens under the new key and leaves both keys zero', async () => {
    const { verdict, stored, told, keys, sealing } = await run()
    expect([verdict, told]).toEqual([{ kind: 'resealed' }, ['resealed']])
    const sealed = stored[0]?.ciphertext ?? new Uint8Array()
    const opened = await openRecord({ subkey: sealing, context: contextOf(2), sealed })
    expect(opened).toEqual({ ok: true, value: utf8(SECRET) })
    for (const { subkey } of [keys.from, keys.to]) expect(subkey.every((byte) => byte === 0)).toBe(true)
  })

  it('replaces no record under a key that was damaged on its way', async () => {
    const zeroed = await run((keys) => ({ ...keys, to: { ...keys.to, subkey: new Uint8Array(32) } }))
    expect([zeroed.verdict, zeroed.stored, zeroed.told]).toEqual([
      { kind: 'failed', code: 'key_damaged' },
      [],
      ['key_damaged'],
    ])
  })

  it('replaces no record of another job', async () => {
    const other = { credentialId: CredentialId.parse(randomUUID()) }
    const { verdict, stored } = await run((keys) => ({ ...keys, ...other }))
    expect([verdict, stored]).toEqual([{ kind: 'failed', code: 'lease_mismatch' }, []])
  })

  it('of a record that moved meanwhile ends as that, and nothing is lost', async () => {
    expect((await run((keys) => keys, false)).told).toEqual(['record_moved'])
    const stale = await run((keys) => ({ ...keys, from: { ...keys.from, dekVersion: 2 } }))
    expect([stale.verdict, stale.stored]).toEqual([{ kind: 'failed', code: 'record_moved' }, []])
  })
})
