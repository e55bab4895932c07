import { type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http'

/** RFC 9110, 7.6.1: these belong to one connection and are not forwarded. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
const TIMEOUT_MS = 60_000

/** Passes a request on as it is, body and answer streamed. `onUnreachable` writes the answer when there is none. */
export function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  target: URL,
  onUnreachable: (outgoing: ServerResponse) => void,
): void {
  const upstream = request(target, {
    method: incoming.method ?? 'GET',
    headers: { ...endToEnd(incoming.headers), host: target.host },
    // A connection a request: a kept one can be closed by the other side in the moment that it is used again.
    agent: false,
    timeout: TIMEOUT_MS,
  })
  upstream.on('response', (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers))
    answer.pipe(outgoing)
    answer.on('error', () => outgoing.destroy())
  })
  upstream.on('timeout', () => upstream.destroy(new Error('no answer in time')))
  upstream.on('error', () => {
    if (outgoing.headersSent) outgoing.destroy()
    else onUnreachable(outgoing)
  })
  outgoing.on('close', () => upstream.destroy())
  incoming.pipe(upstream)
}

function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)))
}
