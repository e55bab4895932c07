import type { Handler } from '../visit.ts'

const CONTACT = 'mailto:security@flarewatch.dev'
/** RFC 9116 section 2.5.5: less than a year ahead, so that a stale copy says that it is stale. */
const EXPIRES_AFTER_MS = 180 * 24 * 60 * 60 * 1000
const DAY_MS = 24 * 60 * 60 * 1000

/** RFC 9116. No Encryption line until a PGP key is published. */
export const securityTxt: Handler = (_request, { url, now }) => {
  // By the day, so that the file is the same for everyone who fetches it today.
  const expires = new Date(Math.floor(now / DAY_MS) * DAY_MS + EXPIRES_AFTER_MS)
  const lines = [
    `Contact: ${CONTACT}`,
    `Expires: ${expires.toISOString().replace('.000Z', 'Z')}`,
    'Preferred-Languages: en',
    `Canonical: ${url.origin}/.well-known/security.txt`,
    `Policy: ${url.origin}/security-policy`,
  ]
  return text(`${lines.join('\n')}\n`, 'public, max-age=86400')
}

/** The keys that sign receipts, one signed-note verifier key a line. */
export const logKeys: Handler = (_request, { bindings }) => text(`${bindings.LOG_VKEY}\n`, 'public, max-age=3600')

const POLICY = `Reporting a vulnerability in Flarewatch

Write to security@flarewatch.dev. A PGP key is not published yet; until it is, plain mail is read.

What we promise
- We acknowledge your report within 72 hours.
- We agree with you on a timeline for disclosure.
- We credit you in the advisory, unless you ask us not to.
- A report made in good faith is never met with legal threats.

What good faith means
- Use accounts and data of your own. When you meet someone else's data, stop, do not keep it, and tell us.
- Do not degrade the service for others.
- Give us the agreed time to fix the matter before you publish.

In scope is what this deployment runs: the dashboard, the API, the sign-in, the vault, the audit log and its receipts.
What we promise about each is public; where the running code differs from it, that is a bug worth reporting.
`

export const securityPolicy: Handler = () => text(POLICY, 'public, max-age=86400')

function text(body: string, cacheControl: string): Response {
  return new Response(body, { headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': cacheControl } })
}
