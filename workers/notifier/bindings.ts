import { z } from 'zod'
import { embeddedOnly, httpUrl, hyperdrive } from '../runtime/bindings.ts'

const MAX_ADDRESS_CHARACTERS = 320
/** `user@host` or `Name <user@host>`: no line break can begin a header of its own. */
const sender = z
  .string()
  .max(MAX_ADDRESS_CHARACTERS)
  .regex(/^([^<>\p{Cc}]+ <[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)$/u)

export const Bindings = z.object({
  DB: hyperdrive,
  RESEND_API_URL: httpUrl,
  RESEND_API_KEY: z.string().regex(/^re_[A-Za-z0-9_]{8,200}$/),
  MAIL_FROM: sender,
  /** Who is told of every incident, in whichever tenant and in none. */
  OPERATOR_EMAIL: z.email().max(MAX_ADDRESS_CHARACTERS),
  /** 256 bits, which the function `member-invite` holds too. */
  INVITATION_KEY: z.base64url().length(43),
  GATEWAY_URL: httpUrl.transform((url) => url.replace(/\/+$/, '')),
  ...embeddedOnly,
})
export type Bindings = z.output<typeof Bindings>
