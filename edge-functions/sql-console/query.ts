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
import { type Intent, recordOutcome } from '../_shared/outcome.ts'
import { withSecret } from '../_shared/seal.ts'
import type { Store } from '../_shared/store.ts'
import { inSession, requireAal2, requireFresh } from '../_shared/user.ts'
import type { Proofs, Vault } from '../_shared/vault-client.ts'
import { judgeStatement } from './judge.ts'
import { judgeForProject } from './judge-project.ts'
import { consoleLogin } from './login.ts'
import { runAtProject } from './project.ts'
import { runStatement } from './run.ts'

export type ConsoleParts = {
  readonly vault: Vault<'console-begin' | 'console-open' | 'settle'>
  readonly store: Store<'console_credential' | 'open_console' | 'end_console'>
  readonly databaseUrl: string
  readonly loginKey: string
  /** Of Supabase's Management API, where clients' projects are. */
  readonly projectApiUrl: string
}
type Answer = z.infer<typeof SqlConsole.response>

/** A cancel needs no row: the outcome row of what it ends tells of it. */
export async function consoleCall(
  parts: ConsoleParts,
  call: Call<z.infer<typeof SqlConsole.request>>,
): Promise<Answer> {
  const { input, user, now } = call
  if ('statement' in input) {
    const { project, ...own } = input
    return project === undefined
      ? query(parts, { ...call, input: own })
      : queryProject(parts, { ...call, input: { ...own, project } })
  }
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
  return told(parts.vault, { tenant_id, intent_row }, proofs, () => run(parts, call))
}

/** The same for a client's project; what was read of the store before the key is asked for is sealed. */
async function queryProject(
  { vault, store, projectApiUrl }: ConsoleParts,
  { input, user, requestId, signal, now }: Call<StatementRun & Required<Pick<StatementRun, 'project'>>>,
): Promise<StatementAnswer> {
  const { tenant_id, statement, project } = input
  const { credential_id, site_id } = project
  requireFresh(user, now)
  if (utf8(statement).length > MAX_STATEMENT_BYTES) throw new Refused('request_too_large')
  const judged = judgeForProject(statement)
  if ('state' in judged) return judged
  const record = await store('console_credential', { tenant_id, ...inSession(user, now), ...project })
  const proofs = { userJwt: user.jwt, requestId }
  const asked = { tenant_id, credential_id, site_id, ...(await described(statement)) }
  const { subkey, intent_row, dek_version } = await vault('console-open', asked, proofs)
  return told(vault, { tenant_id, intent_row }, proofs, () =>
    withSecret(record.ciphertext, subkey, { tenant_id, credential_id, dek_version }, (secret) =>
      secret.use((token) => runAtProject({ apiUrl: projectApiUrl, token, ref: record.provider_ref, signal }, judged)),
    ),
  )
}

/** A statement that fails is an answer, and its outcome row says that it failed. */
async function told(
  vault: Vault<'settle'>,
  intent: Intent,
  proofs: Proofs,
  act: () => Promise<StatementAnswer>,
): Promise<StatementAnswer> {
  const settle = (succeeded: boolean, code: string) => recordOutcome(vault, { ...intent, succeeded, code }, proofs)
  try {
    const answer = await act()
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
