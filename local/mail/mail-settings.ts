import { EXIT_CONFIGURATION, StackRefused } from '../supervisor/failure.ts'

/** Where mail goes: into files of the data directory, or out, by Resend and in the operator's own name. */
export type MailSettings =
  | { readonly kind: 'files' }
  | { readonly kind: 'resend'; readonly apiKey: string; readonly from: string; readonly operatorEmail: string }

export const MAIL_TO_FILES: MailSettings = { kind: 'files' }

const KEY = 'FLAREWATCH_RESEND_API_KEY'
const FROM = 'FLAREWATCH_MAIL_FROM'
const OPERATOR = 'FLAREWATCH_OPERATOR_EMAIL'
const API_KEY = /^re_[A-Za-z0-9_]{8,200}$/
const ADDRESS = /^[^<>@\s]+@[^<>@\s]+\.[^<>@\s]+$/
const SENDER = /^([^<>\p{Cc}]+ <[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)$/u

/** `npm start`: without a key mail goes to files. With one, the sender and the operator must be named too: nobody else's are guessed. */
export function readMailSettings(env: Readonly<Record<string, string | undefined>>): MailSettings {
  const { [KEY]: apiKey, [FROM]: from, [OPERATOR]: operatorEmail } = env
  if (apiKey === undefined) return MAIL_TO_FILES
  // The key itself is never repeated.
  if (!API_KEY.test(apiKey)) throw refused('mail_key_malformed', `${KEY} is not a Resend API key (re_...)`)
  if (from === undefined || !SENDER.test(from)) {
    throw refused('mail_from_malformed', `${FROM} names the sender, at a domain that Resend has verified for you`)
  }
  if (operatorEmail === undefined || !ADDRESS.test(operatorEmail)) {
    throw refused('mail_operator_malformed', `${OPERATOR} is the address that is told of every incident`)
  }
  return { kind: 'resend', apiKey, from, operatorEmail }
}

function refused(code: string, message: string): StackRefused {
  return new StackRefused(code, `${message}. Without ${KEY} mail is written to DIR/mail`, EXIT_CONFIGURATION)
}
