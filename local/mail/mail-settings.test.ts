import { describe, expect, test } from 'vitest'
import { StackRefused } from '../supervisor/failure.ts'
import { readMailSettings } from './mail-settings.ts'

const key = `re_${'a1B2'.repeat(6)}`
const full = {
  FLAREWATCH_RESEND_API_KEY: key,
  FLAREWATCH_MAIL_FROM: 'Agency <notices@agency.example>',
  FLAREWATCH_OPERATOR_EMAIL: 'ops@agency.example',
}

describe('where mail goes', () => {
  test('is the data directory as long as no key says otherwise', () => {
    expect(readMailSettings({ FLAREWATCH_MAIL_FROM: 'x' })).toEqual({ kind: 'files' })
  })

  test('is Resend, in the name of whom the operator names', () => {
    expect(readMailSettings(full)).toEqual({
      kind: 'resend',
      apiKey: key,
      from: 'Agency <notices@agency.example>',
      operatorEmail: 'ops@agency.example',
    })
  })

  test.each([
    ['mail_key_malformed', { FLAREWATCH_RESEND_API_KEY: 'sk_live_not_resend' }],
    ['mail_from_malformed', { FLAREWATCH_MAIL_FROM: undefined }],
    ['mail_from_malformed', { FLAREWATCH_MAIL_FROM: 'Agency <a@b.example>\nBcc: everyone@b.example' }],
    ['mail_operator_malformed', { FLAREWATCH_OPERATOR_EMAIL: undefined }],
    ['mail_operator_malformed', { FLAREWATCH_OPERATOR_EMAIL: 'ops' }],
  ])('is a refusal to start, %s, that repeats no key', (code, changed) => {
    const refusal = refusalOf({ ...full, ...changed })
    expect([refusal?.code, refusal?.exit]).toEqual([code, 78])
    expect(refusal?.message).not.toMatch(/sk_live|a1B2/)
  })
})

function refusalOf(env: Record<string, string | undefined>): StackRefused | null {
  try {
    readMailSettings(env)
    return null
  } catch (error) {
    if (error instanceof StackRefused) return error
    throw error
  }
}
