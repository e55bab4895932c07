import type { MailTenant } from '../contracts/mail.ts'
import type { Role } from '../contracts/roles.ts'
import type { Mail, MailLinks } from './mail.ts'
import { oneLine, wrap } from './wrap.ts'

type Invitation = { readonly id: string; readonly role: Role; readonly expires_at: string }

/** To an address that may have no account. The link alone lets nobody in: it takes that address, confirmed, and a second factor. */
export function invitationMail({ id, role, expires_at }: Invitation, { name }: MailTenant, links: MailLinks): Mail {
  const until = `${expires_at.slice(0, 16).replace('T', ' ')} UTC`
  return {
    subject: `[Flarewatch] You are invited to ${oneLine(name)}`,
    text: [
      wrap(`An owner of ${oneLine(name)} invites you to join it on Flarewatch as ${ROLE_WORDS[role]}.`),
      '',
      'To accept, open:',
      '',
      `    ${links.joinUrl(id)}`,
      '',
      wrap(
        `Sign in, or create an account, with the address that this mail was sent to; you will be asked to set up an authenticator app. The link works once, until ${until}.`,
      ),
      '',
      wrap('If you did not expect this, do nothing: without your answer nothing happens.'),
      '',
    ].join('\n'),
  }
}

const ROLE_WORDS: Readonly<Record<Role, string>> = { owner: 'an owner', operator: 'an operator', viewer: 'a viewer' }
