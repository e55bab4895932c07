import { z } from 'zod'
import { TenantId, UserId } from './ids.ts'
import { OperatorKeyId } from './operator-keys.ts'
import { Role } from './roles.ts'

/**
 * What rows of `mail_outbox` hold (`sql/migrations/0021_mail.sql`, `0022_accounts.sql`, `0024_operator_keys.sql`,
 * `0028_member_resets.sql`). No address, and no
 * token: they are looked up and made when the mail is claimed.
 */
const MAX_ENTRIES = 20
const MAX_NOTE_CHARACTERS = 4096
/** As the column has it. */
const MAX_TENANT_NAME_CHARACTERS = 120

export const IncidentEntry = z.object({
  tenant_id: TenantId.nullable(),
  kind: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/),
  part: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/),
  /** The first bad row; null where the incident is about none. */
  seq: z.int().nullable(),
  at: z.iso.datetime(),
  count: z.int().min(1),
})
export type IncidentEntry = z.infer<typeof IncidentEntry>

export const IncidentPayload = z.object({
  incidents: z
    .record(z.string(), IncidentEntry)
    .transform((entries) => Object.values(entries))
    .refine((entries) => entries.length >= 1 && entries.length <= MAX_ENTRIES),
  /** How many more there were that found no place. */
  more: z.int().min(0),
})
export const ReceiptPayload = z.object({ size: z.int().min(0), note: z.string().min(1).max(MAX_NOTE_CHARACTERS) })

export const OperatorKeyPayload = z.object({ key_id: OperatorKeyId, member_id: UserId, active_at: z.iso.datetime() })
export type OperatorKeyPayload = z.infer<typeof OperatorKeyPayload>
/** Who it is to: the person, an owner of the agency that asked, or one of another agency of theirs. */
export const MemberResetPayload = z.object({
  member_id: UserId,
  to: z.enum(['member', 'owner', 'other_owner']),
  due_at: z.iso.datetime(),
})
export type MemberResetPayload = z.infer<typeof MemberResetPayload>
export const InvitationPayload = z.object({ id: z.uuid(), role: Role, expires_at: z.iso.datetime() })

/** A mail's occasion, without whom it goes to. */
export const Occasion = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('incident'), payload: IncidentPayload }),
  z.object({ kind: z.literal('invitation'), payload: InvitationPayload }),
  z.object({ kind: z.literal('receipt'), payload: ReceiptPayload }),
  z.object({ kind: z.literal('operator_key'), payload: OperatorKeyPayload }),
  z.object({ kind: z.literal('member_reset'), payload: MemberResetPayload }),
])
export type Occasion = z.infer<typeof Occasion>

export const MailTenant = z.object({ id: TenantId, name: z.string().max(MAX_TENANT_NAME_CHARACTERS) })
export type MailTenant = z.infer<typeof MailTenant>
