import { setTimeout as sleep } from 'node:timers/promises'
import { fromBase64Url, randomBytes, toBase64Url, zeroize } from '../../../domain/bytes.ts'
import { CredentialReveal } from '../../../domain/contracts/functions.ts'
import { CredentialId, type TenantId } from '../../../domain/contracts/ids.ts'
import { PICKUP_LIFETIME_MS } from '../../../domain/contracts/operator-keys.ts'
import { type OperatorKey, zeroizeOperatorKey } from '../../../domain/operator-key/key.ts'
import { formatFingerprint, operatorKeyId } from '../../../domain/operator-key/public-key.ts'
import { openReveal, PICKUP_BYTES, pickupIdOf } from '../../../domain/operator-key/reveal.ts'
import { Secret } from '../../../domain/secret.ts'
import { answeringChallenge } from '../../challenge.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { fetchJson } from '../../http.ts'
import { operatorKeyPath, unlockOperatorKey } from '../../operator-key-file.ts'
import { showPage } from '../../page.ts'
import { asUser, chosenTenant, currentSession, type Session } from '../../session.ts'

const POLL_MS = 1000

/** V7: the browser confirms, this opens. What is printed was never anywhere between the two but sealed to the key in FILE. */
export const credentialReveal: Command = {
  usage: 'flarewatch credential reveal ID [--key FILE] [--tenant T] [--to-pipe]',
  summary: 'print a stored credential, after you confirmed it in the browser; to a terminal only, unless told',
  options: { key: { type: 'string' }, tenant: { type: 'string' }, 'to-pipe': { type: 'boolean', default: false } },
  positionals: 1,
  async run({ dir, values, positionals }: Arguments) {
    const credentialId = CredentialId.safeParse(positionals[0])
    if (!credentialId.success) throw new CommandRefused('usage', 'ID is the id of a credential', EXIT.usage)
    if (values['to-pipe'] !== true && !process.stdout.isTTY) {
      const message = 'A credential is printed to a terminal only. Say --to-pipe if it is to go elsewhere'
      throw new CommandRefused('not_a_terminal', message, EXIT.usage)
    }
    const tenantId = await chosenTenant(await currentSession(dir), values.tenant)
    const key = await unlockOperatorKey(operatorKeyPath(dir, values.key))
    try {
      const secret = await revealed(dir, { tenantId, credentialId: credentialId.data, key })
      return secret.use((text) => ({
        document: { ok: true, credential_id: credentialId.data, secret: text },
        text,
        exit: EXIT.ok,
      }))
    } finally {
      zeroizeOperatorKey(key)
    }
  },
}

type Asked = { readonly tenantId: TenantId; readonly credentialId: CredentialId; readonly key: OperatorKey }

async function revealed(dir: string, { tenantId, credentialId, key }: Asked): Promise<Secret> {
  const pickupSecret = randomBytes(PICKUP_BYTES)
  const pickupId = pickupIdOf(pickupSecret)
  await showConfirmPage(dir, { tenantId, credentialId, key }, pickupId)
  const { dek_version: dekVersion, sealed } = await collected(dir, tenantId, pickupSecret)
  const bytes = fromBase64Url(sealed)
  if (!bytes.ok) throw new CommandRefused('answer_invalid', 'What was picked up is no sealed answer')
  const context = { tenantId, credentialId, dekVersion, pickupId }
  const opened = await openReveal({ privateKey: key.hpkePrivate, context, sealed: bytes.value })
  if (!opened.ok) {
    throw new CommandRefused(
      'not_openable',
      'What was picked up is not sealed to this key for this reveal. Nothing was printed',
    )
  }
  return Secret.fromBytes(opened.value)
}

async function showConfirmPage(
  dir: string,
  { tenantId, credentialId, key }: Asked,
  pickupId: Uint8Array,
): Promise<void> {
  const { gateway_url } = await currentSession(dir)
  const keyId = operatorKeyId(key.publicKey)
  const fragment = new URLSearchParams({
    tenant: tenantId,
    credential: credentialId,
    key: keyId,
    pickup: toBase64Url(pickupId),
  })
  showPage({
    ask: 'Confirm in the browser that you are signed in with, within 5 minutes:',
    url: `${gateway_url}/reveal/#${fragment}`,
    note: `Fingerprint of your operator key, to compare: ${formatFingerprint(keyId)}`,
    open: process.stderr.isTTY,
  })
}

async function collected(dir: string, tenantId: TenantId, pickupSecret: Uint8Array) {
  const body = JSON.stringify({ act: 'collect', tenant_id: tenantId, pickup_secret: toBase64Url(pickupSecret) })
  zeroize(pickupSecret)
  const until = Date.now() + PICKUP_LIFETIME_MS
  while (Date.now() < until) {
    const { answer } = await answeringChallenge(dir, (session) => collect(session, body))
    if (answer !== null) return answer
    await sleep(POLL_MS)
  }
  throw new CommandRefused('reveal_not_confirmed', 'Nobody confirmed it within 5 minutes. Nothing was revealed')
}

function collect(session: Session, body: string) {
  const headers = { ...asUser(session), apikey: session.publishable_key, 'content-type': 'application/json' }
  const url = `${session.supabase_url.replace(/\/$/, '')}/functions/v1/credential-reveal`
  return fetchJson(url, { method: 'POST', headers, body }, CredentialReveal.collected)
}
