import type { IncomingMessage, ServerResponse } from 'node:http'

/** The largest body that any route takes: a stored credential with its sites is a few kilobytes. */
export const MAX_BODY_BYTES = 256 * 1024
const MAX_REQUESTED_HEADERS = 1024
const METHODS = 'GET, POST, PUT, PATCH, DELETE, OPTIONS'
const PREFLIGHT_SECONDS = '7200'

export class BodyTooLarge extends Error {}

export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk)
    length += bytes.length
    if (length > MAX_BODY_BYTES) throw new BodyTooLarge('the body is too large')
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}

export function readHeaders(request: IncomingMessage): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  return headers
}

/** Any origin may ask, as on hosted projects: authority is a header that no browser attaches by itself. */
export function allowOrigins(response: ServerResponse): void {
  response.setHeader('access-control-allow-origin', '*')
  response.setHeader('access-control-expose-headers', 'x-sb-error-code, x-supabase-api-version')
}

export function answerPreflight(request: IncomingMessage, response: ServerResponse): void {
  const asked = request.headers['access-control-request-headers'] ?? ''
  response.setHeader('access-control-allow-methods', METHODS)
  response.setHeader('access-control-allow-headers', asked.slice(0, MAX_REQUESTED_HEADERS))
  response.setHeader('access-control-max-age', PREFLIGHT_SECONDS)
  response.writeHead(204).end()
}

const FROM_INNER = ['content-type', 'cache-control', 'x-sb-error-code', 'allow', 'retry-after']

export async function sendResponse(response: ServerResponse, from: Response): Promise<void> {
  for (const name of FROM_INNER) {
    const value = from.headers.get(name)
    if (value !== null) response.setHeader(name, value)
  }
  if (!response.hasHeader('cache-control')) response.setHeader('cache-control', 'no-store')
  response.writeHead(from.status).end(Buffer.from(await from.arrayBuffer()))
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
