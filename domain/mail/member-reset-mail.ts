import type { MailTenant, MemberResetPayload } from '../contracts/mail.ts'
import type { Mail, MailLinks } from './mail.ts'
import { oneLine, wrap } from './wrap.ts'

/** A1: nobody's second factor goes without them, and every owner of theirs, being told a day before. */
export function memberResetMail(
  { member_id, to, due_at }: MemberResetPayload,
  { id, name }: MailTenant,
  { gatewayUrl }: MailLinks,
): Mail {
  const agency = `${oneLine(name)} (${id})`
  const text = TEXTS[to]
  return {
    subject: `[Flarewatch] ${text.subject}: ${oneLine(name)}`,
    text: [
      wrap(text.what(agency)),
      '',
      `   Member: ${member_id}`,
      `   Not before: ${due_at.slice(0, 19).replace('T', ' ')} UTC`,
      '',
      wrap(text.stop),
      '',
      `    ${gatewayUrl}${text.path}`,
      '',
      wrap(text.why),
      '',
    ].join('\n'),
  }
}

type Text = {
  readonly subject: string
  readonly what: (agency: string) => string
  readonly stop: string
  readonly path: string
  readonly why: string
}
const EFFECT =
  'From the time below on, for 7 days, the member can remove their authenticator with their password alone and set up another one. It is one account in every agency that they belong to.'
const OWNERS_STOP = 'If you do not know of it, cancel it now. Any owner can, until it is finished:'
const TEXTS: Readonly<Record<MemberResetPayload['to'], Text>> = {
  member: {
    subject: 'Your second factor is to be reset',
    what: (agency) =>
      `An owner of ${agency} asked to reset your second factor, because you lost your authenticator and your recovery codes. From the time below on, for 7 days, whoever has your password can remove your authenticator and set up another one. This counts for your account in every agency that you belong to.`,
    stop: 'If you did not lose them, sign in now and cancel it; your password is enough for that. Signing in with your authenticator ends it too. Then change your password. If you did lose them, sign in after the time below and finish:',
    path: '/',
    why: 'You get this mail because the account is yours.',
  },
  owner: {
    subject: 'The second factor of a member is to be reset',
    what: (agency) => `An owner of ${agency} asked to reset the second factor of a member. ${EFFECT}`,
    stop: OWNERS_STOP,
    path: '/members/',
    why: 'You get this mail because you are an owner of this agency.',
  },
  other_owner: {
    subject: 'The second factor of a member is to be reset',
    what: (agency) =>
      `The second factor of a member of ${agency} is to be reset. An owner of another agency that the member belongs to asked for it. ${EFFECT}`,
    stop: OWNERS_STOP,
    path: '/members/',
    why: 'You get this mail because you are an owner of this agency.',
  },
}
