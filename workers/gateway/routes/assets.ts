import { toBase64 } from '../../../domain/bytes.ts'
import { pagePolicy } from '../security-headers.ts'
import type { Handler } from '../visit.ts'

/** Pages of a static export are some ten kilobytes; one beyond this is not ours. */
const MAX_PAGE_LENGTH = 1_000_000
/** A deployment has a handful of pages, so the policies of all of them fit. */
const MAX_REMEMBERED = 64
const remembered = new Map<string, string>()

/**
 * The dashboard. Next.js writes inline scripts into every exported page, and a static page can carry no nonce; so each page's
 * policy allows exactly the scripts that stand in it, by hash. What is hashed comes from the deployment, never from a request.
 */
export const assets: Handler = async (request, { bindings, url }) => {
  const response = await bindings.ASSETS.fetch(withoutConditions(request, url))
  if (!(response.headers.get('content-type') ?? '').startsWith('text/html')) return response
  const page = await response.text()
  if (page.length > MAX_PAGE_LENGTH) throw new RangeError('a page of the dashboard is too long')
  const headers = new Headers(response.headers)
  headers.set('content-security-policy', await policyOf(page, new URL(bindings.SUPABASE_URL).origin))
  headers.set('cache-control', 'no-cache')
  headers.delete('etag')
  return new Response(page, { status: response.status, headers })
}

/** A 304 or a HEAD has no page to take a policy from, so pages are always read whole; other files may be revalidated. */
function withoutConditions(request: Request, url: URL): Request {
  if (/\.(?!html$)\w+$/.test(url.pathname)) return request
  const headers = new Headers(request.headers)
  headers.delete('if-none-match')
  headers.delete('if-modified-since')
  return new Request(request.url, { headers })
}

async function policyOf(page: string, signIn: string): Promise<string> {
  const key = await sha256(page)
  const known = remembered.get(key)
  if (known !== undefined) return known
  const policy = pagePolicy(signIn, {
    scripts: await hashesOf(page, /<script(?![^>]*\ssrc=)[^>]*>([\s\S]*?)<\/script>/gi),
    styles: await hashesOf(page, /<style[^>]*>([\s\S]*?)<\/style>/gi),
  })
  if (remembered.size >= MAX_REMEMBERED) remembered.clear()
  remembered.set(key, policy)
  return policy
}

async function hashesOf(page: string, element: RegExp): Promise<string[]> {
  const contents = new Set([...page.matchAll(element)].map(([, content]) => content ?? ''))
  return Promise.all([...contents].map(async (content) => `'sha256-${await sha256(content)}'`))
}

async function sha256(text: string): Promise<string> {
  return toBase64(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))))
}
