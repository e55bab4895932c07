import type { V4WorkerOptions } from 'miniflare'

/**
 * A Worker that has every binding a caller of the vault or of the Durable Objects could have, and calls what a test names.
 * RPC has no other way in from Node; bytes travel as `{ $bytes: base64 }`.
 */
const SOURCE = `
const decode = (value) => {
  if (Array.isArray(value)) return value.map(decode)
  if (value === null || typeof value !== 'object') return value
  if ('$bytes' in value) return Uint8Array.from(atob(value.$bytes), (char) => char.charCodeAt(0))
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, decode(field)]))
}
const encode = (value) => {
  if (value instanceof Uint8Array) return { $bytes: btoa(String.fromCharCode(...value)) }
  if (Array.isArray(value)) return value.map(encode)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, encode(field)]))
}
export default {
  async fetch(request, env) {
    const { binding, object, method, args } = decode(await request.json())
    const target = object === null ? env[binding] : env[binding].get(env[binding].idFromName(object))
    try {
      return Response.json({ answer: encode((await target[method](...args)) ?? null) })
    } catch (error) {
      return Response.json({ thrown: String(error) })
    }
  },
}
`

const HOST = 'flarewatch-durable-objects'
const VAULT = 'flarewatch-vault'
export type ProbeBinding =
  | 'AUDIT_LEDGER'
  | 'STEP_UP_TOKENS'
  | 'TENANT_ROSTER'
  | 'PROVIDER_LIMITS'
  | 'KEK_VERSIONS'
  | 'LOGIN_ANSWERS'
  | 'OPERATOR_KEYS'
  | 'CONNECTOR_DOOR'
  | 'GATEWAY_DOOR'

export function probeOptions(port: number): V4WorkerOptions {
  return {
    name: 'probe',
    modules: [{ type: 'ESModule', path: 'probe.mjs', contents: SOURCE }],
    compatibilityDate: '2026-11-01',
    durableObjects: {
      AUDIT_LEDGER: { className: 'AuditLedger', scriptName: HOST },
      STEP_UP_TOKENS: { className: 'StepUpTokens', scriptName: HOST },
      TENANT_ROSTER: { className: 'TenantRoster', scriptName: HOST },
      LOGIN_ANSWERS: { className: 'LoginAnswers', scriptName: HOST },
      OPERATOR_KEYS: { className: 'OperatorKeys', scriptName: HOST },
      KEK_VERSIONS: { className: 'KekVersions', scriptName: HOST },
      PROVIDER_LIMITS: { className: 'ProviderLimits', scriptName: HOST },
    },
    serviceBindings: {
      CONNECTOR_DOOR: { name: VAULT, entrypoint: 'ConnectorDoor' },
      GATEWAY_DOOR: { name: VAULT, entrypoint: 'GatewayDoor' },
    },
    unsafeDirectSockets: [{ host: '127.0.0.1', port }],
  }
}

export type ProbeCall = {
  readonly binding: ProbeBinding
  /** The object's name; null for a service. */
  readonly object: string | null
  readonly method: string
  readonly args: readonly unknown[]
}

export async function probe(port: number, call: ProbeCall): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: JSON.stringify(encode(call)) })
  const { answer, thrown } = (await response.json()) as { answer?: unknown; thrown?: string }
  if (thrown !== undefined) throw new Error(thrown)
  return decode(answer)
}

function encode(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') }
  if (Array.isArray(value)) return value.map(encode)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, encode(field)]))
}

function decode(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decode)
  if (value === null || typeof value !== 'object') return value
  if ('$bytes' in value && typeof value.$bytes === 'string') {
    return new Uint8Array(Buffer.from(value.$bytes, 'base64'))
  }
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, decode(field)]))
}
