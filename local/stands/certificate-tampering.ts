import type { TenantId } from '../../domain/contracts/ids.ts'
import { certificateKey } from '../../domain/contracts/receipt-store.ts'
import { generateSigner, signNote } from '../../domain/note/signed-note.ts'
import { PublishedLog } from './published-log.ts'
import type { RetentionStand } from './retention-stand.ts'

/** A tenant of whom at least four epochs in a row are gone, oldest first, and another one that has a certificate. */
export type PrunedLog = {
  readonly stand: RetentionStand
  readonly log: TenantId
  readonly epochs: readonly [number, number, number, number]
  readonly stranger: { readonly log: TenantId; readonly epoch: number }
}
type Undo = () => Promise<unknown>
type Expected = { readonly kind: string; readonly seq: number }

/** What a superuser, or whoever has the bucket, can do to certificates and to what they speak of. Says what must be found, and undoes it. */
export type CertificateTampering = readonly [
  what: string,
  tamper: (pruned: PrunedLog) => Promise<{ readonly expected: Expected; readonly undo: Undo }>,
]

export const CERTIFICATE_TAMPERINGS: readonly CertificateTampering[] = [
  [
    'removes a certificate from Postgres',
    async (pruned) => ({
      expected: { kind: 'certificate_inconsistent', seq: await lastSeqOf(pruned, 3) },
      undo: await removeStored(pruned, 3),
    }),
  ],
  [
    'removes a certificate from the bucket',
    async (pruned) => ({
      expected: { kind: 'certificate_inconsistent', seq: await lastSeqOf(pruned, 1) },
      undo: await removePublished(pruned, 1),
    }),
  ],
  [
    'removes the newest certificate from both',
    async (pruned) => ({
      expected: { kind: 'pruned_without_certificate', seq: (await lastSeqOf(pruned, 2)) + 1 },
      undo: await both(removeStored(pruned, 3), removePublished(pruned, 3)),
    }),
  ],
  [
    'removes a certificate in the middle from both',
    async (pruned) => ({
      expected: { kind: 'certificate_inconsistent', seq: await lastSeqOf(pruned, 2) },
      undo: await both(removeStored(pruned, 1), removePublished(pruned, 1)),
    }),
  ],
  [
    'changes a column beside the note',
    async (pruned) => ({
      expected: { kind: 'certificate_inconsistent', seq: await lastSeqOf(pruned, 3) },
      undo: await changeStored(pruned, 3, (sql) => sql`root = sha256('forged')`),
    }),
  ],
  [
    'puts a certificate by another key into both',
    async (pruned) => {
      const [{ text }, forger] = [await certificateOf(pruned, 3), await generateSigner(pruned.stand.signer.name)]
      return {
        expected: { kind: 'certificate_inconsistent', seq: await lastSeqOf(pruned, 3) },
        undo: await replaceBoth(pruned, 3, await signNote(text, [forger])),
      }
    },
  ],
  [
    'puts the certificate of another tenant into both',
    async (pruned) => {
      const { stand, stranger } = pruned
      const { note } = await new PublishedLog(stand.origin, stand.signer, stranger.log).certificate(stranger.epoch)
      return {
        expected: { kind: 'certificate_inconsistent', seq: await lastSeqOf(pruned, 0) },
        undo: await replaceBoth(pruned, 0, note),
      }
    },
  ],
  [
    'changes a receipt that a certificate closed',
    async (pruned) => {
      const seq = await lastSeqOf(pruned, 1)
      return { expected: { kind: 'receipt_inconsistent', seq }, undo: await changeReceipt(pruned, 1) }
    },
  ],
]

function certificateOf({ stand, log, epochs }: PrunedLog, at: 0 | 1 | 2 | 3) {
  return new PublishedLog(stand.origin, stand.signer, log).certificate(epochs[at])
}

async function lastSeqOf(pruned: PrunedLog, at: 0 | 1 | 2 | 3): Promise<number> {
  return (await certificateOf(pruned, at)).lastSeq
}

async function both(...acts: readonly Promise<Undo>[]): Promise<Undo> {
  const undos = await Promise.all(acts)
  return () => Promise.all(undos.map((undo) => undo()))
}

async function withoutTrigger({ stand: { superuser } }: PrunedLog, act: () => Promise<unknown>): Promise<void> {
  await superuser`alter table flarewatch.epoch_certificates disable trigger refuse_change`
  await act()
  await superuser`alter table flarewatch.epoch_certificates enable always trigger refuse_change`
}

async function removeStored(pruned: PrunedLog, at: 0 | 1 | 2 | 3): Promise<Undo> {
  const { log, epochs } = pruned
  const { superuser } = pruned.stand
  const [row] = await superuser`
    select * from flarewatch.epoch_certificates where log = ${log} and epoch = ${epochs[at]}`
  const remove = () => superuser`delete from flarewatch.epoch_certificates where log = ${log} and epoch = ${epochs[at]}`
  await withoutTrigger(pruned, remove)
  return async () => {
    await withoutTrigger(pruned, remove)
    await superuser`insert into flarewatch.epoch_certificates ${superuser(row ?? {})}`
  }
}

async function removePublished({ stand, log, epochs }: PrunedLog, at: 0 | 1 | 2 | 3): Promise<Undo> {
  const key = certificateKey(log, epochs[at])
  const note = (await (await stand.bucket.get(key))?.text()) ?? ''
  await stand.bucket.delete(key)
  return () => stand.bucket.put(key, note)
}

type Superuser = RetentionStand['superuser']

async function changeStored(
  pruned: PrunedLog,
  at: 0 | 1 | 2 | 3,
  assignment: (sql: Superuser) => ReturnType<Superuser>,
): Promise<Undo> {
  const { log, epochs } = pruned
  const { superuser } = pruned.stand
  const restore = await removeStored(pruned, at)
  await restore()
  await withoutTrigger(
    pruned,
    () => superuser`
      update flarewatch.epoch_certificates set ${assignment(superuser)} where log = ${log} and epoch = ${epochs[at]}`,
  )
  return restore
}

async function replaceBoth(pruned: PrunedLog, at: 0 | 1 | 2 | 3, note: string): Promise<Undo> {
  const undo = await both(
    changeStored(pruned, at, (sql) => sql`note = ${note}`),
    removePublished(pruned, at),
  )
  await pruned.stand.bucket.put(certificateKey(pruned.log, pruned.epochs[at]), note)
  return undo
}

async function changeReceipt(pruned: PrunedLog, at: 0 | 1 | 2 | 3): Promise<Undo> {
  const { log, stand } = pruned
  const { firstSeq, lastSeq } = await certificateOf(pruned, at)
  const [receipt] = await stand.superuser`
    select size, root from flarewatch.receipts where log = ${log} and size between ${firstSeq} and ${lastSeq} limit 1`
  const change = (root: Uint8Array) =>
    stand.superuser`update flarewatch.receipts set root = ${root} where log = ${log} and size = ${receipt?.size}`
  await change(new Uint8Array(32))
  return () => change(receipt?.root)
}
