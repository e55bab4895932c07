import { failure, type Result } from '../../domain/result.ts'
import { type VerifiedUser, verifyUserToken } from '../runtime/user-token.ts'
import type { Visit } from './visit.ts'

/** The vault believes no Worker about who the user is: it verifies the user's own JWT at every door. */
export async function verifyUser(
  { bindings, at }: Visit,
  jwt: string,
): Promise<Result<VerifiedUser, 'user_token_invalid' | 'store_unreachable'>> {
  const user = await verifyUserToken(bindings, jwt, at)
  if (user.ok) return user
  return failure(user.code === 'keys_unreachable' ? 'store_unreachable' : user.code)
}
