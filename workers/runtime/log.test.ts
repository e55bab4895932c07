import { describe, expect, it } from 'vitest'
import { logLine } from './log.ts'

const AT = new Date(Date.UTC(2026, 10, 24))

describe('a log line', () => {
  it('is one line of JSON', () => {
    const line = logLine('vault', 'info', 'opened', { job_id: 'j', status: 200, ok: true }, AT)
    expect(line).toBe(
      '{"at":"2026-11-24T00:00:00.000Z","part":"vault","level":"info","event":"opened","job_id":"j","status":200,"ok":true}',
    )
  })

  it('V5 drops every field that is not listed, whatever its type says', () => {
    const careless = { token: 'cfut_secret', code: { nested: 'cfut_secret' }, authorization: 'Bearer x' }
    expect(logLine('vault', 'info', 'opened', careless as object, AT)).not.toMatch(/cfut_secret|Bearer/)
  })

  it('V5 drops text that is longer than any id or code', () => {
    expect(logLine('vault', 'info', 'opened', { code: 'x'.repeat(65) }, AT)).not.toContain('xxx')
  })

  it('cannot be split by what it carries', () => {
    expect(logLine('vault', 'info', 'opened', { code: 'a\n{"forged":true}' }, AT).split('\n')).toHaveLength(1)
  })
})
