import { z } from 'zod'
import { type ExportHeader, encodeExportLine } from '../../../domain/audit/export.ts'
import { genesisHash } from '../../../domain/audit/row.ts'
import { utf8 } from '../../../domain/bytes.ts'
import type { TenantId } from '../../../domain/contracts/ids.ts'
import { parseEpochCertificate } from '../../../domain/note/epoch-certificate.ts'
import { unverifiedText } from '../../../domain/note/signed-note.ts'
import { roleOf, sealedRows } from '../queries/audit-log.ts'
import { pruningCertificate, type StoredCertificate } from '../queries/certificates.ts'
import { newestSigned, type SignedSize } from '../receipt-bucket.ts'
import { Refusal } from '../refusal.ts'
import { requireSession } from '../session.ts'
import { type Handler, parseQuery } from '../visit.ts'
import { type Tenancy, withTenant, withUser } from '../with-tenant.ts'

/** One page is one transaction and one chunk: about half a megabyte, eight when every row is as large as a row can be. */
const PAGE_ROWS = 500
const EXPORTERS: ReadonlySet<string> = new Set(['owner', 'operator'])

/**
 * The whole log up to the newest receipt, as docs/formats.md has it (L6); of a log whose first epochs were pruned, what remains, behind
 * the certificate of the last of them (L5). What is sealed stays sealed: nothing is opened, so no row is written. The stream breaks off
 * where something fails, and a file without its last line verifies as cut short.
 */
export const auditExport: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  parseQuery(visit.url, z.strictObject({}))
  if (session.aal !== 'aal2') throw new Refusal('aal2_required')
  const { tenantId, certificate } = await withTenant(request, session, visit, async (tenancy) => {
    const role = await roleOf(tenancy, session.userId)
    if (role === null || !EXPORTERS.has(role)) throw new Refusal('role_insufficient')
    return { tenantId: tenancy.tenantId, certificate: await pruningCertificate(tenancy) }
  })
  const header = certificate === null ? wholeLog(tenantId) : certifiedBeginning(tenantId, certificate)
  const signed = await newestSigned(visit.bindings, tenantId)
  if (signed === null) throw new Refusal('not_signed_yet')

  const readPage = (after: number) =>
    withUser(session, visit, tenantId, (sql) => linesAfter({ sql, tenantId }, after, signed.size))
  // Read before the answer begins, so that what fails at once is told by a status.
  const first = await readPage(header.firstSeq - 1)
  return new Response(stream(header, signed, first, readPage), {
    headers: {
      'content-type': 'application/x-ndjson; charset=utf-8',
      'content-disposition': `attachment; filename="flarewatch-audit-${tenantId}-${signed.size}.ndjson"`,
      'cache-control': 'no-store',
    },
  })
}

function wholeLog(tenantId: TenantId): ExportHeader {
  return { tenantId, firstSeq: 1, previousHash: genesisHash(tenantId), frontier: [] }
}

/** Taken at its word: whoever has the log's key checks the note, which goes along. */
function certifiedBeginning(tenantId: TenantId, { note }: StoredCertificate): ExportHeader {
  const text = unverifiedText(note)
  const certificate = text.ok ? parseEpochCertificate(text.value) : text
  if (!certificate.ok) throw new Error('a stored certificate cannot be read')
  const { lastSeq, lastHash, frontier } = certificate.value
  return { tenantId, firstSeq: lastSeq + 1, previousHash: lastHash, frontier, certificate: note }
}

type Page = { readonly text: string; readonly last: number }

async function linesAfter(tenancy: Tenancy, after: number, upTo: number): Promise<Page> {
  const rows = await sealedRows(tenancy, { after, upTo, limit: PAGE_ROWS })
  const last = rows.at(-1)
  // Rows that were signed are gone, or the reader is no longer one who may see them.
  if (last === undefined && after < upTo) throw new Error('the log ends before its newest receipt')
  return { text: rows.map((row) => encodeExportLine({ kind: 'row', row })).join(''), last: last?.seq ?? after }
}

/** Reads a page when the reader has taken the one before it. */
function stream(
  header: ExportHeader,
  { size, note }: SignedSize,
  first: Page,
  readPage: (after: number) => Promise<Page>,
): ReadableStream<Uint8Array> {
  let written = -1
  return new ReadableStream(
    {
      async pull(controller) {
        const page = written === -1 ? first : await readPage(written)
        const before = written === -1 ? encodeExportLine({ kind: 'header', ...header }) : ''
        written = page.last
        const after = written >= size ? encodeExportLine({ kind: 'checkpoint', note }) : ''
        controller.enqueue(utf8(before + page.text + after))
        if (written >= size) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}
