import { createReadStream } from 'node:fs'
import { MAX_EXPORT_LINE_CHARACTERS } from '../../../domain/audit/export.ts'
import { type ExportReport, ExportVerifier } from '../../../domain/audit/export-verifier.ts'
import { toBase64 } from '../../../domain/bytes.ts'
import { type NoteVerifier, parseVkey } from '../../../domain/note/keys.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'

/** L6: judges an exported log offline. Whom to trust is said by the caller: a file that vouches for itself proves nothing. */
export const auditVerify: Command = {
  usage: 'flarewatch audit verify FILE [--trust VKEY]',
  summary: 'check an exported audit log, with no access to us',
  options: { trust: { type: 'string' } },
  positionals: 1,
  async run({ values, positionals }: Arguments) {
    const [file = ''] = positionals
    const trusted = values.trust === undefined ? [] : [parseTrusted(String(values.trust))]
    const verifier = new ExportVerifier(trusted)
    for await (const line of linesOf(file)) if (!verifier.feed(line)) break
    const report = await verifier.finish()
    return { document: documentOf(report), text: textOf(report), exit: exitOf(report) }
  },
}

function parseTrusted(text: string): NoteVerifier {
  const vkey = parseVkey(text)
  if (vkey.ok) return vkey.value
  throw new CommandRefused('usage', '--trust takes a verifier key: <name>+<id>+<base64>', EXIT.usage)
}

/** Lines without their newline. One that is longer than any that the format allows ends the reading: it is malformed as it is. */
async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = ''
  try {
    for await (const chunk of createReadStream(file, { encoding: 'utf8' })) {
      const lines = (rest + String(chunk)).split('\n')
      rest = lines.pop() ?? ''
      yield* lines
      if (rest.length > MAX_EXPORT_LINE_CHARACTERS) break
    }
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new CommandRefused('file_unreadable', `${file} cannot be read: ${reason}`)
  }
  if (rest !== '') yield rest
}

function documentOf({ ok, rows, firstSeq, lastSeq, head, anchored, failure }: ExportReport) {
  return {
    ok,
    rows,
    first_seq: firstSeq,
    last_seq: lastSeq,
    head: head === null ? null : toBase64(head),
    anchored,
    failure,
  }
}

function textOf({ ok, rows, firstSeq, lastSeq, anchored, failure }: ExportReport): string {
  if (failure !== null) return `BROKEN at row ${failure.seq}: ${failure.code}`
  const span = rows === 0 ? 'no rows' : `rows ${firstSeq} to ${lastSeq}`
  const vouched = anchored
    ? 'and the key that you trust has signed exactly these'
    : 'but no trusted key was given: --trust VKEY, from /.well-known/log-keys.txt as you saw it earlier'
  return ok ? `${span} hold together, ${vouched}` : 'not ok'
}

function exitOf({ ok, anchored }: ExportReport) {
  if (!ok) return EXIT.failed
  return anchored ? EXIT.ok : EXIT.unanchored
}
