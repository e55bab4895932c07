import { readFileSync, statSync } from 'node:fs'
import { noteIn } from '../../../domain/mail/receipt-mail.ts'
import { MAX_NOTE_CHARACTERS } from '../../../domain/note/signed-note.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { fetchText } from '../../http.ts'
import { demandConsistency, openCheckpoint, pinCheckpoint } from '../../pins.ts'
import { chosenTenant, currentSession } from '../../session.ts'
import { trustFor } from '../../trust.ts'

/** L2: holds the log as it is now against a checkpoint that somebody kept, such as the mail that owners get. */
export const auditCheckpoint: Command = {
  usage: 'flarewatch audit checkpoint FILE [--tenant T] [--trust VKEY]',
  summary: "check that today's log still begins with what a mailed or saved checkpoint signs",
  options: { tenant: { type: 'string' }, trust: { type: 'string' } },
  positionals: 1,
  async run({ dir, values, positionals }: Arguments) {
    const kept = noteIn(readText(positionals[0] ?? ''))
    const session = await currentSession(dir)
    const tenantId = await chosenTenant(session, values.tenant)
    const gatewayUrl = session.gateway_url
    const trust = trustFor(values.trust, { dir, tenantId, gatewayUrl })
    if (trust === null) throw new CommandRefused('usage', 'Give the key of the log: --trust VKEY', EXIT.usage)
    const then = await openCheckpoint(kept, trust, tenantId)
    const note = await fetchText(`${gatewayUrl}/receipts/${tenantId}`)
    const now = await openCheckpoint(note, trust, tenantId)
    if (now.size < then.size) {
      const message = `The newest checkpoint has ${now.size} rows, but the one in the file has ${then.size}`
      throw new CommandRefused('checkpoint_rolled_back', message)
    }
    await demandConsistency(gatewayUrl, tenantId, [then, now])
    const { previousSize } = await pinCheckpoint({ dir, tenantId, gatewayUrl, trust, note, isNewest: true })
    const signed = new Date(then.at).toISOString()
    return {
      document: { ok: true, size: then.size, signed_at: signed, newest_size: now.size, previous_size: previousSize },
      text: `The ${then.size} rows signed at ${signed} are the first of today's ${now.size} rows, unchanged`,
      exit: EXIT.ok,
    }
  },
}

function readText(file: string): string {
  try {
    if (statSync(file).size > 4 * MAX_NOTE_CHARACTERS)
      throw new CommandRefused('file_unreadable', `${file} is too long`)
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof CommandRefused) throw error
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new CommandRefused('file_unreadable', `${file} cannot be read: ${reason}`)
  }
}
