import type { CredentialGrade } from '../contracts/functions.ts'
import type { Result } from '../result.ts'

export type ShapeRefusal =
  | 'credential_malformed'
  | 'credential_global_key'
  | 'credential_secret_key'
  /** Made to be seen by everybody: it reads nothing of what the figures need. */
  | 'credential_public_key'
export type ProbeRefusal =
  | 'credential_rejected'
  | 'credential_without_zones'
  /** Named permissions are missing that reading the figures takes. */
  | 'credential_lacks_permission'
  /** Named permissions go beyond reading, where a provider lets an agency take them away. */
  | 'credential_can_write'
  | 'provider_unreachable'
  | 'provider_rate_limited'

/** Asks the provider's API with the credential, which travels as a bearer token whoever the provider is. */
export type Ask = (request: ProviderRequest) => Promise<Result<ProviderAnswer, 'provider_unreachable'>>
export type ProviderRequest = {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below the provider's base address. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}
export type ProviderAnswer = {
  readonly status: number
  /** Undefined for what is no JSON, or longer than any answer that counts. */
  readonly value: unknown
}

export type Judgement = {
  readonly grade: CredentialGrade
  readonly scope: string
  /** What the provider lists for the credential, in words: "read analytics". */
  readonly can: readonly string[]
  /** What of it reading the figures does not need. */
  readonly excess: readonly string[]
}
/** `timeZone`: in which the provider counts the site's days. */
export type ProbedSite = { readonly id: string; readonly name: string; readonly timeZone: string }
export type Probe = Judgement & { readonly sites: readonly ProbedSite[] }

export type ProbeResult =
  | { readonly ok: true; readonly value: Probe }
  | {
      readonly ok: false
      readonly code: ProbeRefusal
      /** The provider's own names for what to take away or to add. */
      readonly permissions?: readonly string[]
    }

/** That the provider accepts the credential, what it reaches, and how that is judged. */
export type Probing = (ask: Ask) => Promise<ProbeResult>

/** T5, for one provider. */
export type Grading = {
  /** Before anything is asked: a key that can do anything is not even sent to the provider. Gives how to ask about the rest. */
  readonly judgeShape: (secret: string) => Result<Probing, ShapeRefusal>
}
