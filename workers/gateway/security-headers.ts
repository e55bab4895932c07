/** What every response carries, whatever it is. */
const ALWAYS: Readonly<Record<string, string>> = {
  'strict-transport-security': 'max-age=63072000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

/** For what is data: a browser that is led to show it as a page runs and loads nothing. */
const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"

/** A response's headers are immutable when it came from another Worker, so this answers with a copy. */
export function withSecurityHeaders(response: Response, requestId: string): Response {
  const secured = new Response(response.body, response)
  for (const [name, value] of Object.entries(ALWAYS)) secured.headers.set(name, value)
  if (!secured.headers.has('content-security-policy')) secured.headers.set('content-security-policy', DATA_POLICY)
  secured.headers.set('x-request-id', requestId)
  return secured
}

/** What a page of the dashboard may do: run our scripts, talk to us and to the sign-in service, show inline images (the TOTP QR code). */
export function pagePolicy(signIn: string, inline: { scripts: readonly string[]; styles: readonly string[] }): string {
  return [
    "default-src 'none'",
    ["script-src 'self'", ...inline.scripts].join(' '),
    ["style-src-elem 'self'", ...inline.styles].join(' '),
    // Charts position their parts by style attributes, which cannot run code.
    "style-src-attr 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src 'self' ${signIn}`,
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
