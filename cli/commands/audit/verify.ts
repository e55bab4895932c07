import { createReadStream } from 'node:fs'
import { parseExportLine } from '../../../domain/audit/export.ts'
import { type ExportReport, ExportVerifier } from '../../../domain/audit/export-verifier.ts'
import type { Checkpoint } from '../../../domain/note/checkpoint.ts'
import { type Arguments, type Command, CommandRefused } from '../../command.ts'
import { linesOf } from '../../lines.ts'
import { advancePin, pinnedCheckpoint } from '../../pins.ts'
import { hashRowNatively } from '../../row-hash.ts'
import { parseTrust, type Trust } from '../../trust.ts'
import { documentOf, exitOf, textOf } from './report.ts'

/**
 * L6: judges an exported log offline. Whom to trust is said by the caller: a file that vouches for itself proves nothing. L2: what
 * was seen of the log from this folder before must be in it; a file alone begins no memory of one.
 */
export const auditVerify: Command = {
  usage: 'flarewatch audit verify FILE [--trust VKEY]',
  summary: 'check an exported audit log, with no access to us',
  options: { trust: { type: 'string' } },
  positionals: 1,
  async run({ dir, values, positionals }: Arguments) {
    const trust = typeof values.trust === 'string' ? parseTrust(values.trust) : null
    const verifier = new ExportVerifier(trust === null ? [] : [trust.verifier], hashRowNatively)
    const lines = linesOf(readFile(positionals[0] ?? ''))
    const { value: header } = await lines.next()
    const pinned = trust === null || header === undefined ? null : await pinnedLog(dir, header, trust)
    if (pinned !== null) verifier.demand(pinned.seen)
    const last = header === undefined ? '' : await feed(verifier, header, lines)
    const report = await verifier.finish()
    if (pinned !== null && report.ok) await moveOn(pinned, last)
    return {
      document: { ...documentOf(report), ...(pinned === null ? {} : { previous_size: pinned.seen.size }) },
      text: textOf(report) + seenText(report, pinned),
      exit: exitOf(report),
    }
  },
}

type PinnedLog = { readonly dir: string; readonly tenantId: string; readonly trust: Trust; readonly seen: Checkpoint }

/** What was seen before of the log that the file's first line names. */
async function pinnedLog(dir: string, header: string, trust: Trust): Promise<PinnedLog | null> {
  const line = parseExportLine(header)
  if (!line.ok || line.value.kind !== 'header') return null
  const { tenantId } = line.value
  const seen = await pinnedCheckpoint(dir, tenantId, trust)
  return seen === null ? null : { dir, tenantId, trust, seen }
}

/** Feeds until something does not hold; answers the last line that was read. */
async function feed(verifier: ExportVerifier, header: string, rest: AsyncIterable<string>): Promise<string> {
  let last = header
  if (!verifier.feed(header)) return last
  for await (const line of rest) {
    last = line
    if (!verifier.feed(line)) break
  }
  return last
}

async function moveOn({ dir, tenantId, trust, seen }: PinnedLog, last: string): Promise<void> {
  const end = parseExportLine(last)
  if (end.ok && end.value.kind === 'checkpoint') await advancePin({ dir, tenantId, trust, note: end.value.note }, seen)
}

function seenText({ ok, firstSeq, lastSeq }: ExportReport, pinned: PinnedLog | null): string {
  if (pinned === null || !ok) return ''
  const { size } = pinned.seen
  if (lastSeq !== null && size > lastSeq) return `; older than the ${size} rows that were seen from here before`
  if (firstSeq !== null && size < firstSeq) return ''
  return `; nothing changed in the ${size} rows seen from here before`
}

async function* readFile(file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(file)
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new CommandRefused('file_unreadable', `${file} cannot be read: ${reason}`)
  }
}
