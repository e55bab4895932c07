import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  BindingsRefused,
  durableObjects,
  embeddedOnly,
  fetcher,
  httpUrl,
  hyperdrive,
  parseBindings,
  queue,
} from './bindings.ts'
import { currentTime } from './clock.ts'
import { failureResponse } from './failure-response.ts'

const Schema = z.object({
  DB: hyperdrive,
  INGEST: queue<{ id: string }>(),
  OBJECTS: durableObjects<{ ping(): Promise<void> }>(),
  ASSETS: fetcher,
  ISSUER: httpUrl,
  ...embeddedOnly,
})
const whole = { DB: {}, INGEST: {}, OBJECTS: {}, ASSETS: () => {}, ISSUER: 'https://auth.test' }

describe('bindings', () => {
  it('are passed on as they are when complete', () => {
    expect(parseBindings('gateway', Schema, whole).DB).toBe(whole.DB)
  })

  it('are refused by name when missing or malformed, without their values', () => {
    const env = { ...whole, DB: undefined, INGEST: null, ISSUER: 'no-url-but-maybe-a-key' }
    const refused = () => parseBindings('gateway', Schema, env)
    expect(refused).toThrow(BindingsRefused)
    expect(refused).toThrow('gateway refuses to start: missing or malformed bindings: DB, INGEST, ISSUER')
    expect(refused).not.toThrow('maybe-a-key')
  })

  it('missing are a 503 that names them', async () => {
    const response = failureResponse('gateway', new BindingsRefused('gateway', ['DB']), 'request-1')
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ error: { code: 'binding_missing', request_id: 'request-1' } })
  })
})

describe('a failure that nobody foresaw', () => {
  it('V5 leaves with a code and an id, and none of its own text', async () => {
    const response = failureResponse('vault', new Error('token cfut_secret was refused'), 'request-1')
    expect(response.status).toBe(500)
    expect(await response.text()).toBe(
      '{"error":{"code":"internal","message":"vault failed","request_id":"request-1"}}',
    )
  })
})

describe('the clock', () => {
  it('is the machine by default', async () => {
    const before = Date.now()
    expect(await currentTime({})).toBeGreaterThanOrEqual(before)
  })

  it('is the one that the embedded stack binds', async () => {
    const CLOCK = { fetch: async () => Response.json({ now: 42 }) } as unknown as Fetcher
    expect(await currentTime({ CLOCK })).toBe(42)
  })
})
