import { createReadStream } from 'node:fs'
import { ExportVerifier } from '../../../domain/audit/export-verifier.ts'
import { type Arguments, type Command, CommandRefused } from '../../command.ts'
import { linesOf } from '../../lines.ts'
import { hashRowNatively } from '../../row-hash.ts'
import { parseTrust } from '../../trust.ts'
import { documentOf, exitOf, textOf } from './report.ts'

/** L6: judges an exported log offline. Whom to trust is said by the caller: a file that vouches for itself proves nothing. */
export const auditVerify: Command = {
  usage: 'flarewatch audit verify FILE [--trust VKEY]',
  summary: 'check an exported audit log, with no access to us',
  options: { trust: { type: 'string' } },
  positionals: 1,
  async run({ values, positionals }: Arguments) {
    const [file = ''] = positionals
    const trusted = typeof values.trust === 'string' ? [parseTrust(values.trust).verifier] : []
    const verifier = new ExportVerifier(trusted, hashRowNatively)
    for await (const line of linesOf(readFile(file))) if (!verifier.feed(line)) break
    const report = await verifier.finish()
    return { document: documentOf(report), text: textOf(report), exit: exitOf(report) }
  },
}

async function* readFile(file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(file)
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new CommandRefused('file_unreadable', `${file} cannot be read: ${reason}`)
  }
}
