import { setTimeout as sleep } from 'node:timers/promises'
import type { DoorRefusal, OpenedCredential } from '../../domain/contracts/connector-door.ts'
import { openRecord } from '../../domain/envelope/record.ts'
import type { VaultStand } from '../stands/vault-stand.ts'
import type { Held } from './agencies.ts'

/**
 * `refused`: answers that a caller cannot get over, and records that did not open: what a rotation must not have one of.
 * `asked_again`: a refusal that names itself retryable, which the connector's queue asks again, or no answer at all from a workerd
 * that was just killed.
 */
export type ReleaseCounts = { released: number; refused: number; asked_again: number }

const PAUSE_MS = 50

/** One release as the connector makes it: a leased job, the subkey, the record opened with it. Asked again until it is answered. */
export async function releaseOnce(stand: VaultStand, held: Held, counts: ReleaseCounts): Promise<void> {
  for (;;) {
    const answer = await askOnce(stand, held)
    if (answer?.ok) {
      const plain = await openRecord({
        subkey: answer.subkey,
        context: contextOf(answer),
        sealed: await sealedNow(stand, held),
      })
      const opened = plain.ok && new TextDecoder().decode(plain.value) === held.secret
      counts[opened ? 'released' : 'refused'] += 1
      return
    }
    if (answer !== null && !answer.retryable) {
      counts.refused += 1
      return
    }
    counts.asked_again += 1
    await sleep(PAUSE_MS)
  }
}

/** Releases go on, a few at a time, until they are told to end. */
export function releasing(stand: VaultStand, held: readonly Held[], pick: () => number, atATime: number) {
  const counts: ReleaseCounts = { released: 0, refused: 0, asked_again: 0 }
  let isOver = false
  const worker = async (first: number) => {
    for (let at = first; !isOver; at += atATime) {
      const one = held[(at * atATime + pick()) % held.length]
      if (one !== undefined) await releaseOnce(stand, one, counts)
    }
  }
  const workers = Promise.all(Array.from({ length: atATime }, (_, index) => worker(index)))
  return {
    counts,
    end: async () => {
      isOver = true
      await workers
    },
  }
}

/** Null when nobody answered. */
async function askOnce(stand: VaultStand, { tenant, id }: Held): Promise<OpenedCredential | DoorRefusal | null> {
  const job = await leaseAnew(stand, tenant.id, id)
  return stand.call('CONNECTOR_DOOR', null, 'open', job).then(
    (answer) => answer as OpenedCredential | DoorRefusal,
    () => null,
  )
}

/** The credential's lease, extended where it has one: a credential is polled by one job at a time. */
async function leaseAnew(stand: VaultStand, tenantId: string, credentialId: string): Promise<string> {
  const until = new Date(stand.now() + 600_000)
  const [job] = await stand.sql<{ id: string }[]>`
    insert into flarewatch.jobs (tenant_id, credential_id, lease_until, created_at)
    values (${tenantId}, ${credentialId}, ${until}, now())
    on conflict (credential_id, kind) where state = 'leased' do update set lease_until = excluded.lease_until
    returning id`
  return job?.id ?? ''
}

function contextOf({ tenantId, credentialId, dekVersion }: OpenedCredential) {
  return { tenantId, credentialId, dekVersion }
}

async function sealedNow({ sql }: VaultStand, { id }: Held): Promise<Uint8Array> {
  const [row] = await sql<{ ciphertext: Uint8Array }[]>`select ciphertext from flarewatch.credentials where id = ${id}`
  return new Uint8Array(row?.ciphertext ?? [])
}
