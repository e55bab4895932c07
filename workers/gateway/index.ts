import { type IRequestStrict, Router } from 'itty-router'
import { parseBindings } from '../runtime/bindings.ts'
import { currentTime } from '../runtime/clock.ts'
import { Bindings } from './bindings.ts'
import { Refusal, refusalResponse } from './refusal.ts'
import { assets } from './routes/assets.ts'
import { audit } from './routes/audit.ts'
import { auditExport } from './routes/audit-export.ts'
import { auditProof } from './routes/audit-proof.ts'
import { deadLetter, deadLetters } from './routes/dead-letters.ts'
import { siteFindings } from './routes/findings.ts'
import { incidents } from './routes/incidents.ts'
import { answerLogin, collectLogin } from './routes/login.ts'
import { members } from './routes/members.ts'
import { siteMetrics } from './routes/metrics.ts'
import { consistency, epochCertificate, epochs, newestReceipt, receiptOfSize } from './routes/receipt-files.ts'
import { endSession, endSessions, sessions } from './routes/sessions.ts'
import { shreddingCertificate } from './routes/shredding.ts'
import { status } from './routes/status.ts'
import { config, credentials, me, receipts, sites } from './routes/tenant.ts'
import { siteTop } from './routes/tops.ts'
import { webhooks } from './routes/webhooks.ts'
import { logKeys, securityPolicy, securityTxt } from './routes/well-known.ts'
import { withSecurityHeaders } from './security-headers.ts'
import type { Handler, Visit } from './visit.ts'

const READ = ['GET', 'HEAD']
const CHANGES = [
  { path: /^\/api\/sessions$/, methods: [...READ, 'DELETE'] },
  { path: /^\/api\/sessions\/[^/]+$/, methods: ['DELETE'] },
  { path: /^\/api\/login\/(answer|collect)$/, methods: ['POST'] },
  { path: /^\/webhooks\/[^/]+\/[^/]+$/, methods: ['POST'] },
]
/**
 * Every address answers its methods alone, and says so before it looks at anything else: GET and HEAD; DELETE where one ends one's
 * own sessions; POST where a sealed session is passed on to a command line, and where a provider delivers. Nothing here takes a cookie or
 * allows another origin: a page of someone else's can neither read an answer nor, without a token, secret or signature that it
 * was given, cause an effect.
 */
const itsMethodsOnly: Handler = ({ method }, { url }) => {
  const methods = CHANGES.find(({ path }) => path.test(url.pathname))?.methods ?? READ
  if (!methods.includes(method)) throw new Refusal('method_not_allowed', { allow: methods.join(', ') })
}
const nothingHere: Handler = () => {
  throw new Refusal('not_found')
}

const router = Router<IRequestStrict, [Visit]>()
router
  .all('*', itsMethodsOnly)
  // For the providers alone, each delivery signed.
  .post('/webhooks/:provider/:endpoint', webhooks)
  // For the dashboard: JSON, each with the user's access token.
  .all('/api/config', config)
  .all('/api/me', me)
  .all('/api/sites', sites)
  .all('/api/sites/:id/metrics', siteMetrics)
  .all('/api/sites/:id/top', siteTop)
  .all('/api/sites/:id/findings', siteFindings)
  .all('/api/credentials', credentials)
  .all('/api/members', members)
  .all('/api/dead-letters', deadLetters)
  .all('/api/dead-letters/:id', deadLetter)
  .post('/api/login/answer', answerLogin)
  .post('/api/login/collect', collectLogin)
  .delete('/api/sessions', endSessions)
  .all('/api/sessions', sessions)
  .delete('/api/sessions/:id', endSession)
  .all('/api/receipts', receipts)
  .all('/api/audit', audit)
  .all('/api/audit/export', auditExport)
  .all('/api/audit/rows/:row/proof', auditProof)
  .all('/api/incidents', incidents)
  .all('/api/status', status)
  .all('/api/*', nothingHere)
  // For anyone: what proves the audit log, and whom to tell.
  .all('/receipts/:log', newestReceipt)
  .all('/receipts/:log/shredding', shreddingCertificate)
  .all('/receipts/:log/epochs', epochs)
  .all('/receipts/:log/epochs/:epoch', epochCertificate)
  .all('/receipts/:log/:size', receiptOfSize)
  .all('/receipts/:log/:from/:to', consistency)
  .all('/receipts/*', nothingHere)
  .all('/.well-known/log-keys.txt', logKeys)
  .all('/.well-known/security.txt', securityTxt)
  .all('/security-policy', securityPolicy)
  .all('*', assets)

export default {
  async fetch(request: Request, env: unknown, context: ExecutionContext): Promise<Response> {
    const requestId = crypto.randomUUID()
    const bindings = parseBindings('gateway', Bindings, env)
    const response = await answerOf(request, bindings, requestId, context)
    return withSecurityHeaders(response, requestId)
  },
}

async function answerOf(
  request: Request,
  bindings: Bindings,
  requestId: string,
  context: ExecutionContext,
): Promise<Response> {
  try {
    const visit: Visit = { bindings, requestId, url: new URL(request.url), now: await currentTime(bindings), context }
    return await router.fetch(request, visit)
  } catch (error) {
    return refusalResponse(error, requestId)
  }
}
