import type { MailTenant } from '../contracts/mail.ts'
import type { Mail, MailLinks } from './mail.ts'
import { oneLine, wrap } from './wrap.ts'

type Receipt = { readonly size: number; readonly note: string }

/** L2: the signed note itself, so that whoever keeps the mail can hold the log to it without either of our trust domains. */
export function receiptMail({ size, note }: Receipt, { id, name }: MailTenant, { gatewayUrl }: MailLinks): Mail {
  return {
    subject: `[Flarewatch] Checkpoint over ${size} audit rows: ${oneLine(name)}`,
    text: [
      wrap(
        `The audit log of ${oneLine(name)} (${id}) was checked from end to end, and this checkpoint over its ${size} rows was signed. It covers every earlier row.`,
      ),
      '',
      wrap(
        'Keep this mail. If anyone rewrites the log later, even with every key and every database of Flarewatch in hand, it can no longer agree with these lines.',
      ),
      '',
      BEGIN,
      note.endsWith('\n') ? note.slice(0, -1) : note,
      END,
      '',
      'To hold today’s log against it, copy the text of this mail into a file and run:',
      '',
      `    flarewatch audit checkpoint FILE --tenant ${id} --trust VKEY`,
      '',
      wrap('VKEY is the key of the log as you saw it earlier. The same checkpoint in public:'),
      '',
      `    ${gatewayUrl}/receipts/${id}/${size}`,
      '',
      wrap(
        'You get this mail because you are an owner of this agency: at most one a night, and none while the log does not grow.',
      ),
      '',
    ].join('\n'),
  }
}

/** Lines around the note, by which it is found again in a saved mail. */
export const BEGIN = '-----BEGIN CHECKPOINT-----'
export const END = '-----END CHECKPOINT-----'

/** The note in the text of a mail, or the whole text when it is a note alone. Mail systems end lines by CR LF; notes by LF. */
export function noteIn(text: string): string {
  const lines = text.replaceAll('\r\n', '\n')
  const begin = lines.indexOf(`${BEGIN}\n`)
  const end = lines.indexOf(`\n${END}`, begin)
  if (begin < 0 || end < 0) return lines
  return `${lines.slice(begin + BEGIN.length + 1, end)}\n`
}
