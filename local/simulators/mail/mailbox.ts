import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

/** What Resend's `POST /emails` takes, as far as we use it; an unknown field is refused, so that a misspelt one is noticed. */
const MAX_RECIPIENTS = 50
const MAX_SUBJECT_CHARACTERS = 998
const address = z
  .string()
  .max(320)
  .regex(/^([^<>\r\n]+ <[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)$/)
const header = z
  .string()
  .max(MAX_SUBJECT_CHARACTERS)
  .regex(/^[^\r\n]*$/)
export const Letter = z.strictObject({
  from: address,
  to: z.union([address.transform((one) => [one]), z.array(address).min(1).max(MAX_RECIPIENTS)]),
  subject: header,
  text: z.string().min(1),
})
export type Letter = z.output<typeof Letter>

/** Resend forgets an idempotency key after a day. */
const KEY_REMEMBERED_MS = 24 * 60 * 60_000
const PLAIN_KEY = /^[A-Za-z0-9-]{1,64}$/

export type Filed = { readonly id: string; readonly key: string; readonly at: number; readonly message: string }

/**
 * One file a mail, 0600, named `<time>-<idempotency key>.eml`: an RFC 5322 message with UTF-8 headers (RFC 6532) and its text as it
 * is, so that a search finds in it what was sent. The files are the memory: a restart forgets no key.
 */
export class Mailbox {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /** The id of the mail that was filed; of the earlier one for a key that is remembered; `conflict` when that said something else. */
  deliver(letter: Letter, key: string | undefined, now: number): { readonly id: string } | 'conflict' {
    const known = key === undefined ? undefined : this.#remembered(key, now)
    if (known !== undefined) {
      return messageOf(letter, known.id, known.at) === known.message ? { id: known.id } : 'conflict'
    }
    const id = randomUUID()
    const stamp = new Date(now).toISOString().replaceAll(/[-:.]/g, '')
    const path = join(this.#folder, `${stamp}-${fileKey(key ?? id)}.eml`)
    writeFileSync(`${path}.new`, messageOf(letter, id, now), { mode: 0o600 })
    renameSync(`${path}.new`, path)
    return { id }
  }

  /** Every mail, oldest first. */
  all(): Filed[] {
    const names = readdirSync(this.#folder).filter((name) => name.endsWith('.eml'))
    return names.sort().flatMap((name) => {
      const message = readFileSync(join(this.#folder, name), 'utf8')
      const id = /^Message-ID: <([^@]+)@/m.exec(message)?.[1]
      const at = Date.parse(/^Date: (.+)$/m.exec(message)?.[1] ?? '')
      return id === undefined || Number.isNaN(at)
        ? []
        : [{ id, key: name.slice(name.indexOf('-') + 1, -4), at, message }]
    })
  }

  #remembered(key: string, now: number): Filed | undefined {
    return this.all().find((filed) => filed.key === fileKey(key) && now - filed.at < KEY_REMEMBERED_MS)
  }
}

function fileKey(key: string): string {
  return PLAIN_KEY.test(key) ? key : createHash('sha256').update(key).digest('hex')
}

/** Dates have whole seconds in a message: read back, they must say the same. */
function messageOf({ from, to, subject, text }: Letter, id: string, at: number): string {
  const headers = [
    `From: ${from}`,
    `To: ${to.join(', ')}`,
    `Subject: ${subject}`,
    `Date: ${new Date(at).toUTCString()}`,
    `Message-ID: <${id}@flarewatch.local>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
  ]
  return `${headers.join('\n')}\n\n${text}`
}
