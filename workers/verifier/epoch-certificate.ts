import { z } from 'zod'
import type { WalkStart } from '../../domain/audit/walk-start.ts'
import { equalConstantTime } from '../../domain/bytes.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { certificateKey, certificatesPrefix } from '../../domain/contracts/receipt-store.ts'
import {
  type EpochCertificate,
  epochOriginOf,
  formatEpochCertificate,
  hashCertificateText,
  parseEpochCertificate,
} from '../../domain/note/epoch-certificate.ts'
import { openNote, signNote } from '../../domain/note/signed-note.ts'
import type { Sql } from '../runtime/database.ts'
import type { Finding } from './finding.ts'
import type { ReceiptSigner } from './receipt.ts'

/** A certificate that our key has signed for this log and this epoch. */
export type SignedCertificate = EpochCertificate & {
  readonly log: TenantId
  /** By which the next certificate names this one. */
  readonly textHash: Uint8Array
  readonly note: string
}

/** Where a walk begins when the rows that a certificate speaks of are gone. */
export function startAfter({ lastSeq, lastHash, lastAt, frontier }: EpochCertificate): WalkStart {
  return { seq: lastSeq, hash: lastHash, at: lastAt, frontier }
}

export async function signCertificate(
  log: TenantId,
  certificate: Omit<EpochCertificate, 'origin'>,
  { signer, logName }: ReceiptSigner,
): Promise<SignedCertificate> {
  const named = { ...certificate, origin: epochOriginOf(logName, log, certificate.epoch) }
  const text = formatEpochCertificate(named)
  return { ...named, log, textHash: hashCertificateText(text), note: await signNote(text, [signer]) }
}

/** Null for anything that our key did not sign for this log and epoch. */
async function openCertificate(
  note: string,
  log: TenantId,
  epoch: number,
  { signer, logName }: ReceiptSigner,
): Promise<SignedCertificate | null> {
  const opened = await openNote(note, [signer])
  const certificate = opened.ok ? parseEpochCertificate(opened.value.text) : opened
  if (!opened.ok || !certificate.ok || certificate.value.origin !== epochOriginOf(logName, log, epoch)) return null
  return { ...certificate.value, log, textHash: hashCertificateText(opened.value.text), note }
}

type Store = { readonly sql: Sql; readonly bucket: R2Bucket; readonly signer: ReceiptSigner }
export type CertificateChain = {
  /** Oldest first, each naming the one before it. */
  readonly certificates: readonly SignedCertificate[]
  /** Epochs whose certificate is in the bucket and not in Postgres: a run broke off there, or someone removed it. */
  readonly unremembered: ReadonlySet<number>
}

/** All certificates of a log as both stores have them. What the stores disagree about, or what no longer chains, is a finding. */
export async function loadCertificates(store: Store, log: TenantId): Promise<CertificateChain | Finding> {
  const [remembered, named] = await Promise.all([
    rememberedCertificates(store.sql, log),
    publishedEpochs(store.bucket, log),
  ])
  const epochs = [...new Set([...remembered.keys(), ...named])].sort((one, other) => one - other)
  const opened = await Promise.all(
    epochs.map(async (epoch) => ({ epoch, certificate: await published(store, log, epoch) })),
  )
  const certificates: SignedCertificate[] = []
  for (const { epoch, certificate } of opened) {
    const stored = remembered.get(epoch)
    if (certificate === null) {
      return inconsistent(stored?.last_seq ?? null, epoch, named.includes(epoch) ? 'unreadable' : 'unpublished')
    }
    if (stored !== undefined && !isRemembered(certificate, stored)) {
      return inconsistent(certificate.lastSeq, epoch, 'remembered_otherwise')
    }
    if (!follows(certificate, certificates.at(-1))) return inconsistent(certificate.lastSeq, epoch, 'unchained')
    certificates.push(certificate)
  }
  return { certificates, unremembered: new Set(epochs.filter((epoch) => !remembered.has(epoch))) }
}

function inconsistent(seq: number | null, epoch: number, reason: string): Finding {
  return { kind: 'certificate_inconsistent', seq, detail: { epoch: String(epoch), reason } }
}

function follows(certificate: SignedCertificate, before: SignedCertificate | undefined): boolean {
  if (before === undefined) return certificate.previous === null
  const { previous, firstSeq, lastAt } = certificate
  const named = previous !== null && equalConstantTime(previous, before.textHash)
  return named && firstSeq === before.lastSeq + 1 && lastAt >= before.lastAt
}

const Remembered = z.object({
  epoch: z.int(),
  first_seq: z.number(),
  last_seq: z.number(),
  last_hash: z.instanceof(Uint8Array),
  root: z.instanceof(Uint8Array),
  note: z.string(),
})
type Remembered = z.output<typeof Remembered>

async function rememberedCertificates(sql: Sql, log: TenantId): Promise<Map<number, Remembered>> {
  const rows = await sql`
    select epoch, first_seq, last_seq, last_hash, root, note from flarewatch.epoch_certificates where log = ${log}`
  const parsed = z.array(Remembered).parse(rows)
  return new Map(parsed.map((row) => [row.epoch, row]))
}

/** The columns are what SQL judges by, so they must be what the note says. */
function isRemembered({ firstSeq, lastSeq, lastHash, root, note }: SignedCertificate, row: Remembered): boolean {
  const places = row.first_seq === firstSeq && row.last_seq === lastSeq && row.note === note
  return places && equalConstantTime(row.last_hash, lastHash) && equalConstantTime(row.root, root)
}

async function published({ bucket, signer }: Store, log: TenantId, epoch: number): Promise<SignedCertificate | null> {
  const stored = await bucket.get(certificateKey(log, epoch))
  return stored === null ? null : openCertificate(await stored.text(), log, epoch, signer)
}

async function publishedEpochs(bucket: R2Bucket, log: TenantId): Promise<number[]> {
  const prefix = certificatesPrefix(log)
  const epochs: number[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await bucket.list({ prefix, ...(cursor === undefined ? {} : { cursor }) })
    epochs.push(...page.objects.map(({ key }) => Number(key.slice(prefix.length))))
    if (!page.truncated) return epochs
    cursor = page.cursor
  }
}

/** Stores a certificate write-once, in the bucket first; one that an earlier run wrote stands. Null when that one says otherwise. */
export async function storeCertificate(
  store: Store,
  certificate: SignedCertificate,
): Promise<SignedCertificate | null> {
  const { log, epoch } = certificate
  const key = certificateKey(log, epoch)
  const written = await store.bucket.put(key, certificate.note, {
    onlyIf: { etagDoesNotMatch: '*' },
    // So that a list says which sizes are signed, without a look into each.
    customMetadata: { size: String(certificate.lastSeq) },
  })
  const standing = written === null ? await published(store, log, epoch) : certificate
  if (standing === null || !saysTheSame(standing, certificate)) return null
  await store.sql`
    insert into flarewatch.epoch_certificates (log, epoch, first_seq, last_seq, last_hash, root, note, at)
    values (${log}, ${epoch}, ${standing.firstSeq}, ${standing.lastSeq}, ${standing.lastHash}, ${standing.root},
      ${standing.note}, ${new Date(standing.at)})
    on conflict do nothing`
  return standing
}

/** In all but the time at which it was made. */
function saysTheSame(one: SignedCertificate, other: SignedCertificate): boolean {
  return formatEpochCertificate({ ...one, at: 0 }) === formatEpochCertificate({ ...other, at: 0 })
}
