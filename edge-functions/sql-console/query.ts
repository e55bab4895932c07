import { toBase64Url, utf8 } from 'domain/bytes.ts'
import {
  KeptStatement,
  MAX_STATEMENT_BYTES,
  type SqlConsole,
  type StatementAnswer,
  type StatementRun,
} from 'domain/contracts/console.ts'
import type { z } from 'zod'
import { Refused } from '../_shared/errors.ts'
import type { Call } from '../_shared/handler.ts'
import { recordOutcome } from '../_shared/outcome.ts'
import type { Store } from '../_shared/store.ts'
import { inSession, requireAal2, requireFresh } from '../_shared/user.ts'
import type { Vault } from '../_shared/vault-client.ts'
import { judgeStatement } from './judge.ts'
import { consoleLogin } from './login.ts'
import { runStatement } from './run.ts'

export type ConsoleParts = {
  readonly vault: Vault<'console-begin' | 'settle'>
  readonly store: Store<'open_console' | 'end_console'>
  readonly databaseUrl: string
  readonly loginKey: string
}
type Answer = z.infer<typeof SqlConsole.response>

/** A cancel needs no row: the outcome row of what it ends tells of it. */
export async function consoleCall(
  parts: ConsoleParts,
  call: Call<z.infer<typeof SqlConsole.request>>,
): Promise<Answer> {
  const { input, user, now } = call
  if ('statement' in input) return query(parts, { ...call, input })
  requireAal2(user)
  const request = { tenant_id: input.tenant_id, ...inSession(user, now), statement_id: input.cancel }
  return { state: 'cancelled', ...(await parts.store('end_console', request)) }
}

/** Judged, announced, run, told. What the parser refuses is no act and leaves no row. */
async function query(parts: ConsoleParts, call: Call<StatementRun>): Promise<StatementAnswer> {
  const { tenant_id, statement } = call.input
  requireFresh(call.user, call.now)
  if (utf8(statement).length > MAX_STATEMENT_BYTES) throw new Refused('request_too_large')
  const refusal = judgeStatement(statement)
  if (refusal !== null) return refusal
  const proofs = { userJwt: call.user.jwt, requestId: call.requestId }
  const { intent_row } = await parts.vault('console-begin', { tenant_id, ...(await described(statement)) }, proofs)
  const settle = (succeeded: boolean, code: string) =>
    recordOutcome(parts.vault, { tenant_id, intent_row, succeeded, code }, proofs)
  try {
    const answer = await run(parts, call)
    await settle(answer.state === 'answered', answer.state === 'answered' ? 'answered' : answer.code)
    return answer
  } catch (error) {
    await settle(false, error instanceof Refused ? error.code : 'internal')
    throw error
  }
}

async function run({ store, databaseUrl, loginKey }: ConsoleParts, { input, user, signal }: Call<StatementRun>) {
  const who = { tenant_id: input.tenant_id, user_id: user.id }
  const { password, verifier } = await consoleLogin(loginKey, input.tenant_id)
  const { login } = await store('open_console', { ...who, verifier })
  const watchdog = () => store('end_console', who)
  return runStatement({ url: databaseUrl, login, password, statementId: input.statement_id }, input.statement, {
    signal,
    watchdog,
  })
}

async function described(statement: string) {
  const bytes = utf8(statement)
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes)))
  return {
    statement_sha256: toBase64Url(digest),
    statement_bytes: bytes.length,
    statement: KeptStatement.safeParse(statement).data ?? null,
  }
}
