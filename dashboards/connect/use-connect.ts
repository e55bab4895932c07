'use client'

import { useRef, useState } from 'react'
import type { Provider } from '../../domain/contracts/providers.ts'
import { PROVIDERS } from '../../domain/providers/registry.ts'
import { isRetryable, needsCode } from '../data/failure-text.ts'
import { CredentialId, type CredentialStore, type z } from '../data/schemas.ts'
import { type Answer, type Failure, failed } from '../data/wire.ts'
import { useWorkspace } from '../session/workspace.tsx'

export type Stored = z.output<typeof CredentialStore.response>
export type ConnectState =
  | { readonly name: 'editing'; readonly failure: Failure | null }
  | { readonly name: 'busy'; readonly doing: string }
  | { readonly name: 'stored'; readonly stored: Stored }
/** The fields themselves hold the token: it never becomes part of React's state. */
export type ConnectFields = { readonly label: HTMLInputElement; readonly secret: HTMLInputElement }

/** One submission: tried again with the same content it keeps both, so that a lost answer does not store twice. */
type Attempt = { readonly credentialId: CredentialId; readonly key: string }
const newAttempt = (): Attempt => ({
  credentialId: CredentialId.parse(crypto.randomUUID()),
  key: crypto.randomUUID(),
})

export function useConnect(provider: Provider) {
  const { functions, tenant } = useWorkspace()
  const [state, setState] = useState<ConnectState>({ name: 'editing', failure: null })
  const attempt = useRef<Attempt | null>(null)

  const store = async ({ label, secret }: ConnectFields): Promise<Answer<Stored>> => {
    if (tenant === null) return failed('tenant_not_active')
    const token = secret.value.trim()
    // Judged here too, so that a key that can do anything does not even leave the browser.
    const { label: providerName, grading } = PROVIDERS[provider]
    const shape = grading.judgeShape(token)
    if (!shape.ok) return failed(shape.code)
    attempt.current ??= newAttempt()
    const { credentialId, key } = attempt.current
    const request = {
      tenant_id: tenant.id,
      credential_id: credentialId,
      provider,
      label: label.value.trim(),
      secret: token,
    }
    setState({ name: 'busy', doing: 'Asking for permission…' })
    const permission = await functions.stepUp({ action: 'credential.store', target_id: credentialId }, request)
    if (!permission.ok) return permission
    setState({ name: 'busy', doing: `Checking the key with ${providerName}…` })
    return functions.storeCredential(request, { stepUp: permission.value.token, key })
  }

  const connect = async (fields: ConnectFields) => {
    const answer = await store(fields)
    if (answer.ok) {
      fields.secret.value = ''
      return setState({ name: 'stored', stored: answer.value })
    }
    // A token that was judged is not kept; one that nobody looked at yet need not be pasted again.
    if (!isRetryable(answer.failure) && !needsCode(answer.failure)) {
      fields.secret.value = ''
      attempt.current = null
    }
    setState({ name: 'editing', failure: answer.failure })
  }

  const edited = () => {
    attempt.current = null
  }
  const again = () => {
    attempt.current = null
    setState({ name: 'editing', failure: null })
  }
  return { state, connect, edited, again }
}
