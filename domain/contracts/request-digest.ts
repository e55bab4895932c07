import { toBase64Url, utf8 } from '../bytes.ts'
import { Secret } from '../secret.ts'
import type { StepUpAction } from './step-up.ts'

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined }
/** An act's request as it is parsed. A field `secret` at its top is stood in for by its last four characters. */
export type DigestedRequest = { readonly [name: string]: Json | undefined }

/**
 * SHA-256 over the RFC 8785 form of an act and its request, base64url. The browser binds a step-up token to it, the function
 * knows a retry by it, and the vault compares the two. A digest over the secret itself, stored, would let a reader of the
 * database test guesses.
 */
export async function requestDigest(
  action: StepUpAction | 'credential.resync',
  request: DigestedRequest,
): Promise<string> {
  const { secret, ...told } = request
  const shown = typeof secret === 'string' ? { ...told, secret: lastFour(secret) } : request
  const text = canonicalJson({ action, request: shown })
  return toBase64Url(new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(utf8(text)))))
}

function lastFour(text: string): string {
  const secret = Secret.fromText(text)
  secret.zeroize()
  return secret.last4
}

/** RFC 8785: names in the order of their UTF-16 units, no blanks; `JSON.stringify` writes strings and numbers as it asks. */
export function canonicalJson(value: Json): string {
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value)
    .filter((field): field is [string, Json] => field[1] !== undefined)
    .sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`).join(',')}}`
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
