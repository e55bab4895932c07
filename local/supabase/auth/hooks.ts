import type postgres from 'postgres'
import { z } from 'zod'

/** Hosted Supabase Auth's Postgres hooks for attempts, which a project switches on; here they are on. */
export type Attempt =
  | { readonly hook: 'password_verification_attempt'; readonly user_id: string; readonly valid: boolean }
  | {
      readonly hook: 'mfa_verification_attempt'
      readonly user_id: string
      readonly factor_id: string
      readonly factor_type: 'totp'
      readonly valid: boolean
    }

const Answer = z.discriminatedUnion('decision', [
  z.object({ decision: z.literal('continue') }),
  z.object({ decision: z.literal('reject'), message: z.string() }),
])

/** Whether the attempt may count, or what to say instead. A transaction of its own: what it counts outlives a refusal. */
export async function askHook(sql: postgres.Sql, { hook, ...event }: Attempt): Promise<z.infer<typeof Answer>> {
  const [row] = await sql`select ${sql(`auth_hooks.${hook}`)}(${sql.json(event)}) as answer`
  return Answer.parse(row?.answer)
}
