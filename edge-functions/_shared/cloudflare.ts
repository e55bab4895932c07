import { cloudflareGrading } from 'domain/providers/cloudflare/grading.ts'
import type { TokenKind } from 'domain/providers/cloudflare/token.ts'
import type { Ask, Probe, ProbeRefusal } from 'domain/providers/grade.ts'
import { failure, type Result, success } from 'domain/result.ts'
import { parseJson, readBounded } from './bounded-body.ts'
import { Refused } from './errors.ts'

const TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 1024 * 1024

export type CloudflareAnswer = { readonly status: number; readonly value: unknown }

/** What Cloudflare says about a token, before it is stored or takes another's place. */
export async function probeCloudflare(token: string, kind: TokenKind, apiUrl: string): Promise<Probe> {
  const probed = await cloudflareGrading.probe(createAsk(token, apiUrl), kind)
  if (!probed.ok) throw new Refused(probed.code)
  return probed.value
}

function createAsk(token: string, apiUrl: string): Ask {
  return async (path, schema) => {
    const answer = await askCloudflare(`${apiUrl.replace(/\/$/, '')}${path}`, token)
    if (!answer.ok) return answer
    const { status, value } = answer.value
    if (status === 429) return failure('provider_rate_limited')
    if (status === 400 || status === 401 || status === 403) return failure('credential_rejected')
    const parsed = schema.safeParse(value)
    return status === 200 && parsed.success ? success(parsed.data) : failure('provider_unreachable')
  }
}

/** One request, with the token in its own header and nowhere else; with a body it is a write. */
export async function askCloudflare(
  url: string,
  token: string,
  body?: string,
): Promise<Result<CloudflareAnswer, Extract<ProbeRefusal, 'provider_unreachable'>>> {
  const write = body === undefined ? {} : { method: 'POST', body }
  try {
    const response = await fetch(url, {
      ...write,
      headers: { authorization: `Bearer ${token}`, accept: 'application/json', 'content-type': 'application/json' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      // A redirect would carry the token to another host.
      redirect: 'error',
    })
    const bytes = await readBounded(response.body, MAX_ANSWER_BYTES)
    return success({ status: response.status, value: bytes === undefined ? undefined : parseJson(bytes) })
  } catch {
    // A fetch error's text can quote a header that it did not like, and with it the token.
    return failure('provider_unreachable')
  }
}
