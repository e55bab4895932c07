import type { z } from 'zod'
import type { CredentialGrade } from '../contracts/functions.ts'
import type { Result } from '../result.ts'

export type ShapeRefusal = 'credential_malformed' | 'credential_global_key'
export type ProbeRefusal =
  | 'credential_rejected'
  | 'credential_without_zones'
  | 'provider_unreachable'
  | 'provider_rate_limited'

/** Asks one path of the provider's API with the credential. How it travels, and what a status means, is the shell's. */
export type Ask = <Schema extends z.ZodType>(
  path: string,
  schema: Schema,
) => Promise<Result<z.output<Schema>, ProbeRefusal>>

export type Judgement = {
  readonly grade: CredentialGrade
  readonly scope: string
  /** What the provider lists for the credential, in words: "read analytics". */
  readonly can: readonly string[]
  /** What of it reading the figures does not need. */
  readonly excess: readonly string[]
}
export type ProbedSite = { readonly id: string; readonly name: string }
export type Probe = Judgement & { readonly sites: readonly ProbedSite[] }

/** T5, for one provider. `Kind` is what a secret's look tells about it. */
export type Grading<Kind extends string> = {
  /** Before anything is asked: a key that can do anything is not even sent to the provider. */
  readonly judgeShape: (secret: string) => Result<Kind, ShapeRefusal>
  /** That the provider accepts it, what it reaches, and how that is judged. */
  readonly probe: (ask: Ask, kind: Kind) => Promise<Result<Probe, ProbeRefusal>>
}
