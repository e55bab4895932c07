import { expect, test } from 'vitest'
import { InvitationToken } from '../contracts/functions.ts'
import { Secret } from '../secret.ts'
import { invitationToken, invitationTokenHash } from './invitation-token.ts'

const KEY = Secret.fromText('k'.repeat(43))
const ID = '4f9d6c3e-1d55-4b8e-9a2b-3c6a7e8f9a01'

test('T2: the token follows from key and id alone, and from neither by itself', () => {
  const token = invitationToken(KEY, ID)
  expect(invitationToken(KEY, ID)).toBe(token)
  expect(invitationToken(Secret.fromText('l'.repeat(43)), ID)).not.toBe(token)
  expect(invitationToken(KEY, ID.replace('4f', '5f'))).not.toBe(token)
  expect(InvitationToken.parse(token)).toBe(token)
  expect(invitationTokenHash(token)).toMatch(/^[\w-]{43}$/)
})
