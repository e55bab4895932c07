import type { MailTenant, OperatorKeyPayload } from '../contracts/mail.ts'
import { formatFingerprint } from '../operator-key/public-key.ts'
import type { Mail, MailLinks } from './mail.ts'
import { oneLine, wrap } from './wrap.ts'

/** V7: a key that no other vouched for is told to every owner before it opens anything, and how to stop it. */
export function operatorKeyMail(
  { key_id, member_id, active_at }: OperatorKeyPayload,
  { id, name }: MailTenant,
  { gatewayUrl }: MailLinks,
): Mail {
  return {
    subject: `[Flarewatch] A new operator key: ${oneLine(name)}`,
    text: [
      wrap(
        `A member of ${oneLine(name)} (${id}) enrolled an operator key. From the time below on, who holds that key and that member's sign-in can reveal the stored credentials of this agency.`,
      ),
      '',
      `   Fingerprint: ${formatFingerprint(key_id)}`,
      `   Member: ${member_id}`,
      `   Active from: ${active_at.slice(0, 19).replace('T', ' ')} UTC`,
      '',
      wrap('If you do not know of it, remove the key now. Any owner can, also while it waits:'),
      '',
      `    ${gatewayUrl}/operator-keys/`,
      '',
      wrap('You get this mail because you are an owner of this agency.'),
      '',
    ].join('\n'),
  }
}
