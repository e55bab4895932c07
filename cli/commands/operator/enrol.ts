import { toBase64Url } from '../../../domain/bytes.ts'
import { vouchFor, zeroizeOperatorKey } from '../../../domain/operator-key/key.ts'
import { formatFingerprint, formatOperatorPublicKey, operatorKeyId } from '../../../domain/operator-key/public-key.ts'
import { type Arguments, type Command, EXIT } from '../../command.ts'
import { findOperatorPublicKey, makeOperatorKey, operatorKeyPath, unlockOperatorKey } from '../../operator-key-file.ts'
import { chosenTenant, currentSession, fetchMe } from '../../session.ts'

/** V7: the private half stays in the file; what goes to the dashboard, by the person's own hand, is the public one. */
export const operatorEnrol: Command = {
  usage: 'flarewatch operator enrol [--key FILE] [--vouch FILE] [--tenant T]',
  summary: 'make the key that reveals are sealed to, or take up the one in FILE, and give the link that enrols it',
  options: { key: { type: 'string' }, vouch: { type: 'string' }, tenant: { type: 'string' } },
  positionals: 0,
  async run({ dir, values }: Arguments) {
    const session = await currentSession(dir)
    const tenantId = await chosenTenant(session, values.tenant)
    const path = operatorKeyPath(dir, values.key)
    const known = findOperatorPublicKey(path)
    const publicKey = known ?? (await makeOperatorKey(path))
    const fragment = new URLSearchParams({ tenant: tenantId, key: formatOperatorPublicKey(publicKey) })
    if (typeof values.vouch === 'string') {
      const { user } = await fetchMe(session)
      const vouch = await vouchWith(values.vouch, { tenantId, userId: user.id, newKey: publicKey })
      fragment.set('voucher', vouch.keyId)
      fragment.set('signature', vouch.signature)
    }
    const keyId = operatorKeyId(publicKey)
    const fingerprint = formatFingerprint(keyId)
    const url = `${session.gateway_url}/operator-keys/#${fragment}`
    return {
      document: { ok: true, path, key_id: keyId, fingerprint, made: known === null, url },
      text: [
        `${known === null ? 'Your operator key is in' : 'Taken up from'} ${path}`,
        `Fingerprint: ${fingerprint}`,
        'Open this in the browser that you are signed in with, and compare the fingerprint there:',
        `  ${url}`,
        'A member’s first key counts at once. A further one does by --vouch with the file of an earlier one, or after 24 hours.',
      ].join('\n'),
      exit: EXIT.ok,
    }
  },
}

async function vouchWith(path: string, context: Parameters<typeof vouchFor>[1]) {
  const voucher = await unlockOperatorKey(path)
  try {
    const signature = await vouchFor(voucher.signingSeed, context)
    return { keyId: operatorKeyId(voucher.publicKey), signature: toBase64Url(signature) }
  } finally {
    zeroizeOperatorKey(voucher)
  }
}
