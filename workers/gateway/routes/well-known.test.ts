import type { IRequestStrict } from 'itty-router'
import { describe, expect, it } from 'vitest'
import type { Handler, Visit } from '../visit.ts'
import { logKeys, securityPolicy, securityTxt } from './well-known.ts'

const NOW = Date.UTC(2026, 10, 24, 12, 30)
const VKEY = 'flarewatch.example/log+7a1b2c3d+AdRpJ0bK'

describe('C1: the contact of a vulnerability', () => {
  it('is a security.txt with every field that RFC 9116 demands, and those we have something to say in', async () => {
    const fields = new Map(
      (await read(securityTxt))
        .trimEnd()
        .split('\n')
        .map((line) => line.split(': ') as [string, string]),
    )
    expect(fields.get('Contact')).toBe('mailto:security@flarewatch.dev')
    expect(fields.get('Canonical')).toBe('https://flarewatch.example/.well-known/security.txt')
    expect(fields.get('Policy')).toBe('https://flarewatch.example/security-policy')
    expect(fields.get('Preferred-Languages')).toBe('en')
    expect(fields.has('Encryption')).toBe(false)
  })

  it('expires in the future and, as RFC 9116 recommends, within a year', async () => {
    const expires = /^Expires: (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$/m.exec(await read(securityTxt))?.[1] ?? ''
    const ahead = Date.parse(expires) - NOW
    expect(ahead).toBeGreaterThan(0)
    expect(ahead).toBeLessThan(365 * 24 * 60 * 60 * 1000)
  })

  it('promises acknowledgement within 72 hours, credit, and no legal threats', async () => {
    const policy = await read(securityPolicy)
    expect(policy).toMatch(/within 72 hours/)
    expect(policy).toMatch(/credit you/)
    expect(policy).toMatch(/never met with legal threats/)
  })
})

describe('the keys of the log', () => {
  it('are published one verifier key a line', async () => {
    expect(await read(logKeys)).toBe(`${VKEY}\n`)
  })
})

async function read(handler: Handler): Promise<string> {
  const url = new URL('https://flarewatch.example/.well-known/anything')
  const request = Object.assign(new Request(url), { route: '*', params: {}, query: {} }) as IRequestStrict
  const response = await handler(request, { bindings: { LOG_VKEY: VKEY }, url, now: NOW } as unknown as Visit)
  expect(response?.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  return (await response?.text()) ?? ''
}
