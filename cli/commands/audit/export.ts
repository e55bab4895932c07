import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseExportLine } from '../../../domain/audit/export.ts'
import { type ExportReport, ExportVerifier } from '../../../domain/audit/export-verifier.ts'
import type { TenantId } from '../../../domain/contracts/ids.ts'
import { answeringChallenge } from '../../challenge.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { reach, refusedBy } from '../../http.ts'
import { linesOf } from '../../lines.ts'
import { pinCheckpoint } from '../../pins.ts'
import { hashRowNatively } from '../../row-hash.ts'
import { asUser, chosenTenant, currentSession, type Session } from '../../session.ts'
import { trustFor } from '../../trust.ts'
import { documentOf, exitOf, textOf } from './report.ts'

/** L6: the whole log in one file, verified while it arrives. One that does not hold is kept all the same: it is evidence. */
export const auditExport: Command = {
  usage: 'flarewatch audit export --out FILE [--tenant T] [--trust VKEY]',
  summary: 'take the whole audit log away in one file that verifies offline',
  options: { tenant: { type: 'string' }, out: { type: 'string' }, trust: { type: 'string' } },
  positionals: 0,
  async run({ dir, values }: Arguments) {
    if (typeof values.out !== 'string') throw new CommandRefused('usage', '--out says where the file goes', EXIT.usage)
    const file = resolve(values.out)
    const session = await currentSession(dir)
    const tenantId = await chosenTenant(session, values.tenant)
    const gatewayUrl = session.gateway_url
    const trust = trustFor(values.trust, { dir, tenantId, gatewayUrl })
    const verifier = new ExportVerifier(trust === null ? [] : [trust.verifier], hashRowNatively)
    const { report, note } = await download(dir, tenantId, file, verifier)
    if (trust !== null && report.ok && note !== null) {
      await pinCheckpoint({ dir, tenantId, gatewayUrl, trust, note, isNewest: true })
    }
    return {
      document: { ...documentOf(report), tenant_id: tenantId, path: file },
      text: `${textOf(report)}\n${file}`,
      exit: exitOf(report),
    }
  },
}

type Downloaded = { readonly report: ExportReport; readonly note: string | null }

/** Under its own name only once it is whole. */
async function download(dir: string, tenantId: TenantId, file: string, verifier: ExportVerifier): Promise<Downloaded> {
  const stalled = new AbortController()
  const response = await answeringChallenge(dir, (session) => answered(session, tenantId, stalled.signal))
  const part = `${file}.part`
  const handle = await open(part, 'w', 0o600).catch(() => {
    throw new CommandRefused('file_unwritable', `${part} cannot be written`)
  })
  try {
    const downloaded = await judge(saved(response, handle, stalled), tenantId, verifier)
    await handle.sync()
    await handle.close()
    await rename(part, file)
    return downloaded
  } catch (error) {
    await handle.close().catch(() => {})
    await rm(part, { force: true })
    throw error instanceof CommandRefused ? error : brokenOff()
  }
}

async function answered(session: Session, tenantId: TenantId, signal: AbortSignal): Promise<Response> {
  const response = await reach(`${session.gateway_url}/api/audit/export`, {
    headers: asUser(session, tenantId),
    signal,
  })
  if (!response.ok) throw refusedBy(response, await response.text())
  return response
}

/** Longer than the server takes for a page. */
const STALLED_MS = 30_000

/** The bytes as they arrive, after each has been written down. */
async function* saved(response: Response, handle: FileHandle, stalled: AbortController): AsyncGenerator<Uint8Array> {
  if (response.body === null) return
  let timer = setTimeout(() => stalled.abort(), STALLED_MS)
  try {
    for await (const chunk of response.body) {
      clearTimeout(timer)
      await handle.write(chunk)
      yield chunk
      timer = setTimeout(() => stalled.abort(), STALLED_MS)
    }
  } finally {
    clearTimeout(timer)
  }
}

const PROGRESS_ROWS = 10_000

async function judge(
  chunks: AsyncIterable<Uint8Array>,
  tenantId: TenantId,
  verifier: ExportVerifier,
): Promise<Downloaded> {
  let [count, last] = [0, '']
  for await (const line of linesOf(chunks)) {
    verifier.feed(line)
    count += 1
    last = line
    if (count === 1) requireTenant(line, tenantId)
    if (count % PROGRESS_ROWS === 0) process.stderr.write(`  ${count} rows\n`)
  }
  const end = parseExportLine(last)
  if (!end.ok || end.value.kind !== 'checkpoint') throw brokenOff()
  process.stderr.write(`  ${count - 2} rows\n`)
  return { report: await verifier.finish(), note: end.value.note }
}

function requireTenant(line: string, tenantId: TenantId): void {
  const header = parseExportLine(line)
  if (header.ok && header.value.kind === 'header' && header.value.tenantId === tenantId) return
  throw new CommandRefused('tenant_mismatch', 'The answer is not the log that was asked for')
}

function brokenOff(): CommandRefused {
  return new CommandRefused('export_broken_off', 'The export broke off before its end; nothing was kept. Try again')
}
