import {
  ConfigResponse,
  CredentialsResponse,
  MeResponse,
  ReceiptsResponse,
  SitesResponse,
} from '../../../domain/contracts/api.ts'
import { prunedRows, pruningCertificate } from '../queries/certificates.ts'
import { listCredentials } from '../queries/credentials.ts'
import { memberships } from '../queries/me.ts'
import { listReceipts } from '../queries/receipts.ts'
import { listSites } from '../queries/sites.ts'
import { requireSession } from '../session.ts'
import { answer, type Handler } from '../visit.ts'
import { withTenant, withUser } from '../with-tenant.ts'

export const config: Handler = (_request, { bindings }) =>
  answer(ConfigResponse, { supabase_url: bindings.SUPABASE_URL, publishable_key: bindings.PUBLISHABLE_KEY })

/** The one answer that a user gets before TOTP enrolment: it says that enrolment is missing, and names no tenant's data. */
export const me: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  const { userId, email, aal } = session
  return withUser(session, visit, null, async (sql, { totpEnrolled }) =>
    answer(MeResponse, {
      user: { id: userId, email, aal, totp_enrolled: totpEnrolled },
      tenants: totpEnrolled ? await memberships(sql, userId) : [],
    }),
  )
}

export const sites: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  return answer(SitesResponse, { sites: await withTenant(request, session, visit, listSites) })
}

export const credentials: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  const at = new Date(visit.now)
  const lines = await withTenant(request, session, visit, (tenancy) => listCredentials(tenancy, at))
  return answer(CredentialsResponse, { credentials: lines })
}

export const receipts: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  const { stored, pruned } = await withTenant(request, session, visit, async (tenancy) => ({
    stored: await listReceipts(tenancy),
    pruned: prunedRows(visit.url, tenancy.tenantId, await pruningCertificate(tenancy)),
  }))
  const lines = stored.map((receipt) => ({
    ...receipt,
    url: `${visit.url.origin}/receipts/${receipt.log}/${receipt.size}`,
  }))
  return answer(ReceiptsResponse, { receipts: lines, pruned })
}
