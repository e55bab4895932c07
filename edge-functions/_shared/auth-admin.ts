import { createClient } from '@supabase/supabase-js'
import { type Environment, secretKey } from './environment.ts'
import { Refused } from './errors.ts'
import type { User } from './user.ts'

/** What one person's account at Supabase Auth is changed in. */
export type AuthAdmin = {
  /** Every factor, so that a new one can be enrolled at AAL1. */
  readonly removeFactors: (user: User) => Promise<void>
  readonly endOtherSessions: (user: User) => Promise<void>
}

export function createAuthAdmin(
  environment: Environment<'SUPABASE_URL' | 'SUPABASE_SECRET_KEY' | 'SUPABASE_SECRET_KEYS'>,
): AuthAdmin {
  const { auth } = createClient(environment.SUPABASE_URL, secretKey(environment), {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
  })
  return {
    removeFactors: async ({ id: userId }) => {
      const { data, error } = await auth.admin.mfa.listFactors({ userId })
      if (error !== null) throw new Refused('auth_unreachable')
      for (const { id } of data.factors) {
        const removed = await auth.admin.mfa.deleteFactor({ userId, id })
        if (removed.error !== null) throw new Refused('auth_unreachable')
      }
    },
    endOtherSessions: async ({ jwt }) => {
      const { error } = await auth.admin.signOut(jwt, 'others')
      if (error !== null) throw new Refused('auth_unreachable')
    },
  }
}
