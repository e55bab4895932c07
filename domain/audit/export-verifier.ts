import { equalConstantTime } from '../bytes.ts'
import { MerkleFrontier } from '../merkle/frontier.ts'
import { type Checkpoint, originOf, parseCheckpoint } from '../note/checkpoint.ts'
import { type EpochCertificate, epochOriginOf, parseEpochCertificate } from '../note/epoch-certificate.ts'
import { type NoteRefusal, type NoteVerifier, openNote, unverifiedText } from '../note/signed-note.ts'
import { type ChainFailureCode, ChainJudge, type HashOfRow } from './chain.ts'
import { type ExportedRow, type ExportHeader, parseExportLine } from './export.ts'
import { type AuditRow, genesisHash, hashRow } from './row.ts'

export type ExportFailureCode =
  | ChainFailureCode
  | NoteRefusal
  | 'line_malformed'
  | 'line_out_of_order'
  | 'header_missing'
  | 'checkpoint_missing'
  | 'checkpoint_malformed'
  | 'origin_mismatch'
  | 'size_mismatch'
  | 'root_mismatch'
  | 'chain_head_mismatch'
  | 'certificate_malformed'
  | 'certificate_mismatch'
  | 'checkpoint_inconsistent'

export type ExportReport = {
  readonly ok: boolean
  readonly rows: number
  /** Null without rows. */
  readonly firstSeq: number | null
  readonly lastSeq: number | null
  /** Hash of the last sound row. */
  readonly head: Uint8Array | null
  /** Whether a trusted key has signed exactly these rows. */
  readonly anchored: boolean
  /** The certificate under which the rows before the first were pruned; null where the file has none, or it was not reached. */
  readonly certificate: { readonly epoch: number; readonly lastSeq: number } | null
  /** `seq` is that of the first row that does not hold, or of the last row when it is the checkpoint that doesn't. */
  readonly failure: { readonly seq: number; readonly code: ExportFailureCode } | null
}

/** A signed size and root. */
export type SeenTree = { readonly size: number; readonly root: Uint8Array }

type Progress = {
  readonly header: ExportHeader
  readonly chain: ChainJudge<AuditRow>
  readonly frontier: MerkleFrontier
}

/** Judges an export file line by line, offline, in memory that does not grow with it (L6). */
export class ExportVerifier {
  readonly #trusted: readonly NoteVerifier[]
  readonly #hashOf: HashOfRow<AuditRow>
  #progress: Progress | null = null
  #note: string | null = null
  #certificate: ExportReport['certificate'] = null
  #seen: SeenTree | null = null
  #rows = 0
  #failure: ExportReport['failure'] = null

  /**
   * Without a trusted key a sound file is sound, and nobody vouches for it. `hashOf` is for whoever has a faster SHA-256 than the
   * one in JavaScript, which is what a file's check mostly waits for.
   */
  constructor(trusted: readonly NoteVerifier[], hashOf: HashOfRow<AuditRow> = hashRow) {
    this.#trusted = trusted
    this.#hashOf = hashOf
  }

  /**
   * What the first rows were when their log was last seen (L2): a file whose rows give another root at that size is refused. Said
   * before the first row. A shorter file, or one that begins later, cannot be held against it.
   */
  demand(seen: SeenTree): void {
    this.#seen = seen
  }

  /** Takes a line without its newline; false when the rest need not be read. */
  feed(text: string): boolean {
    if (this.#failure !== null) return false
    const line = parseExportLine(text)
    if (!line.ok) return this.#fail(line.code)
    if (this.#note !== null) return this.#fail('line_out_of_order')
    const parsed = line.value
    if (this.#progress === null) {
      return parsed.kind === 'header' ? this.#start(parsed) : this.#fail('header_missing')
    }
    switch (parsed.kind) {
      case 'header':
        return this.#fail('line_out_of_order')
      case 'row':
        return this.#take(this.#progress, parsed.row)
      case 'checkpoint':
        this.#note = parsed.note
        return true
    }
  }

  async finish(): Promise<ExportReport> {
    if (this.#failure !== null) return this.#report(false)
    const progress = this.#progress
    if (progress === null) return this.#refuse('header_missing')
    if (this.#note === null) return this.#refuse('checkpoint_missing')
    const uncertified = await this.#checkCertificate(progress.header)
    if (uncertified !== null) return this.#refuse(uncertified, progress.header.firstSeq - 1)
    const text = await this.#signedText(this.#note)
    if (!text.ok) return this.#refuse(text.code)
    const checkpoint = parseCheckpoint(text.value.text)
    if (!checkpoint.ok) return this.#refuse(checkpoint.code)
    const code = compare(checkpoint.value, progress, text.value.signedBy)
    return code === null ? this.#report(this.#trusted.length > 0) : this.#refuse(code)
  }

  /** Where the header names one, it must be of this log and end where the file's rows begin. */
  async #checkCertificate(header: ExportHeader): Promise<ExportFailureCode | null> {
    if (header.certificate === undefined) return null
    const text = await this.#signedText(header.certificate)
    if (!text.ok) return text.code
    const certificate = parseEpochCertificate(text.value.text)
    if (!certificate.ok) return certificate.code
    const { epoch, lastSeq } = certificate.value
    this.#certificate = { epoch, lastSeq }
    return compareCertificate(certificate.value, header, text.value.signedBy)
  }

  async #signedText(note: string) {
    if (this.#trusted.length > 0) return openNote(note, this.#trusted)
    const text = unverifiedText(note)
    return text.ok ? { ok: true as const, value: { text: text.value, signedBy: null } } : text
  }

  #start(header: ExportHeader): boolean {
    const before = header.firstSeq - 1
    const frontier = MerkleFrontier.resume(before, header.frontier)
    if (frontier === null) return this.#fail('line_malformed')
    if (before === 0 && !equalConstantTime(header.previousHash, genesisHash(header.tenantId))) {
      return this.#fail('previous_hash_mismatch')
    }
    const chain = new ChainJudge(header.tenantId, { seq: before, hash: header.previousHash, at: 0 }, this.#hashOf)
    this.#progress = { header, chain, frontier }
    return true
  }

  #take({ header, chain, frontier }: Progress, row: ExportedRow): boolean {
    const broken = chain.feed({ ...row, tenantId: header.tenantId })
    if (broken !== null) return this.#fail(broken.code)
    frontier.append(row.hash)
    this.#rows += 1
    return this.#agreesWithSeen(frontier) || this.#fail('checkpoint_inconsistent', frontier.size)
  }

  #agreesWithSeen(frontier: MerkleFrontier): boolean {
    return frontier.size !== this.#seen?.size || equalConstantTime(frontier.root(), this.#seen.root)
  }

  #fail(code: ExportFailureCode, seq = (this.#progress?.chain.head.seq ?? 0) + 1): false {
    this.#failure = { seq, code }
    return false
  }

  #refuse(code: ExportFailureCode, seq = this.#progress?.chain.head.seq ?? 0): ExportReport {
    this.#failure = { seq, code }
    return this.#report(false)
  }

  #report(anchored: boolean): ExportReport {
    const head = this.#rows === 0 ? null : (this.#progress?.chain.head ?? null)
    return {
      ok: this.#failure === null,
      rows: this.#rows,
      firstSeq: head === null ? null : (this.#progress?.header.firstSeq ?? null),
      lastSeq: head?.seq ?? null,
      head: head?.hash ?? null,
      anchored,
      certificate: this.#failure === null ? this.#certificate : null,
      failure: this.#failure,
    }
  }
}

function compare(
  checkpoint: Checkpoint,
  { header, chain, frontier }: Progress,
  signedBy: readonly string[] | null,
): ExportFailureCode | null {
  if (!isNamed(checkpoint.origin, (logName) => originOf(logName, header.tenantId), signedBy)) return 'origin_mismatch'
  if (checkpoint.size !== frontier.size) return 'size_mismatch'
  if (!equalConstantTime(checkpoint.chainHead, chain.head.hash)) return 'chain_head_mismatch'
  return equalConstantTime(checkpoint.root, frontier.root()) ? null : 'root_mismatch'
}

function compareCertificate(
  certificate: EpochCertificate,
  { tenantId, firstSeq, previousHash, frontier }: ExportHeader,
  signedBy: readonly string[] | null,
): ExportFailureCode | null {
  const originFor = (logName: string) => epochOriginOf(logName, tenantId, certificate.epoch)
  if (!isNamed(certificate.origin, originFor, signedBy)) return 'origin_mismatch'
  const follows = certificate.lastSeq === firstSeq - 1 && equalConstantTime(certificate.lastHash, previousHash)
  // As many as the size has ones, in both.
  const continues = follows && frontier.every((hash, at) => sameHash(hash, certificate.frontier[at]))
  return continues ? null : 'certificate_mismatch'
}

function sameHash(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return other !== undefined && equalConstantTime(one, other)
}

/** `signedBy` is null where no key was trusted: then any log name will do, but the tenant's id must still be there. */
function isNamed(origin: string, originFor: (logName: string) => string, signedBy: readonly string[] | null): boolean {
  if (signedBy === null) return origin.endsWith(originFor(''))
  return signedBy.some((name) => origin === originFor(name))
}
