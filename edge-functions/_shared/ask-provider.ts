import type { Ask, Probe, Probing, ProviderRequest } from 'domain/providers/grade.ts'
import { failure, success } from 'domain/result.ts'
import { parseJson, readBounded } from './bounded-body.ts'
import { Refused } from './errors.ts'

const TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 1024 * 1024

/** What a provider says about a secret, before it is stored or takes another's place. */
export async function probeProvider(secret: string, probing: Probing, apiUrl: string): Promise<Probe> {
  const probed = await probing(createAsk(secret, apiUrl))
  if (!probed.ok) throw new Refused(probed.code, { permissions: probed.permissions ?? [] })
  return probed.value
}

type Limits = {
  readonly maxAnswerBytes?: number
  /** Ends a request sooner or later than usual. */
  readonly signal?: AbortSignal
}

/** Requests to one provider, with the secret in its own header and nowhere else. */
export function createAsk(secret: string, apiUrl: string, limits: Limits = {}): Ask {
  const { maxAnswerBytes = MAX_ANSWER_BYTES, signal } = limits
  const base = apiUrl.replace(/\/$/, '')
  return async ({ method, path, headers, body }: ProviderRequest) => {
    try {
      const response = await fetch(`${base}${path}`, {
        method,
        ...(body === undefined ? {} : { body }),
        headers: {
          accept: 'application/json',
          'content-type': 'application/json',
          ...headers,
          authorization: `Bearer ${secret}`,
        },
        signal: signal ?? AbortSignal.timeout(TIMEOUT_MS),
        // A redirect would carry the secret to another host.
        redirect: 'error',
      })
      const bytes = await readBounded(response.body, maxAnswerBytes)
      return success({ status: response.status, value: bytes === undefined ? undefined : parseJson(bytes) })
    } catch {
      // A fetch error's text can quote a header that it did not like, and with it the secret.
      return failure('provider_unreachable')
    }
  }
}
