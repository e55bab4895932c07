import { fromBase64 } from '../../domain/bytes.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { type Checkpoint, parseCheckpoint } from '../../domain/note/checkpoint.ts'
import { type EpochCertificate, parseEpochCertificate } from '../../domain/note/epoch-certificate.ts'
import type { NoteVerifier } from '../../domain/note/keys.ts'
import { openNote } from '../../domain/note/signed-note.ts'

export type PublishedCertificate = EpochCertificate & { readonly note: string; readonly text: string }

/** What a gateway serves of a log in public, judged with the published key alone, as a stranger would. */
export class PublishedLog {
  readonly #origin: string
  readonly #key: NoteVerifier
  readonly #log: TenantId

  constructor(origin: string, { name, publicKey }: NoteVerifier, log: TenantId) {
    this.#origin = origin
    this.#key = { name, publicKey }
    this.#log = log
  }

  async newest(): Promise<Checkpoint> {
    return this.open(await this.#fetch(''))
  }

  async receipt(size: number): Promise<Checkpoint> {
    return this.open(await this.#fetch(`/${size}`))
  }

  async consistency(from: number, to: number): Promise<Uint8Array[]> {
    return (await this.#fetch(`/${from}/${to}`)).split('\n').filter(Boolean).map(decoded)
  }

  /** Oldest first. */
  async certificates(): Promise<PublishedCertificate[]> {
    const epochs = (await this.#fetch('/epochs')).split('\n').filter(Boolean)
    return Promise.all(epochs.map((epoch) => this.certificate(Number(epoch))))
  }

  async certificate(epoch: number): Promise<PublishedCertificate> {
    const note = await this.#fetch(`/epochs/${epoch}`)
    const text = await this.#textOf(note)
    const certificate = parseEpochCertificate(text)
    if (!certificate.ok) throw new Error(certificate.code)
    return { ...certificate.value, note, text }
  }

  async open(note: string): Promise<Checkpoint> {
    const checkpoint = parseCheckpoint(await this.#textOf(note))
    if (!checkpoint.ok) throw new Error(checkpoint.code)
    return checkpoint.value
  }

  async #textOf(note: string): Promise<string> {
    const text = await openNote(note, [this.#key])
    if (!text.ok) throw new Error(text.code)
    return text.value.text
  }

  async #fetch(path: string): Promise<string> {
    const answer = await fetch(`${this.#origin}/receipts/${this.#log}${path}`)
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`)
    return answer.text()
  }
}

export function decoded(text: string): Uint8Array {
  const bytes = fromBase64(text)
  if (!bytes.ok) throw new Error(bytes.code)
  return bytes.value
}
