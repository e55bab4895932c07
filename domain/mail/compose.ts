import type { MailTenant, Occasion } from '../contracts/mail.ts'
import { incidentMail } from './incident-mail.ts'
import { invitationMail } from './invitation-mail.ts'
import type { Mail, MailLinks } from './mail.ts'
import { memberResetMail } from './member-reset-mail.ts'
import { operatorKeyMail } from './operator-key-mail.ts'
import { receiptMail } from './receipt-mail.ts'

/**
 * A row's mail, from the row alone: a second try says exactly what the first did. `tenant` is null for the operator. Null when the
 * row's kind is about a tenant and there is none.
 */
export function composeMail(occasion: Occasion, tenant: MailTenant | null, links: MailLinks): Mail | null {
  switch (occasion.kind) {
    case 'incident':
      return incidentMail(occasion.payload, tenant, links)
    case 'invitation':
      return tenant === null ? null : invitationMail(occasion.payload, tenant, links)
    case 'receipt':
      return tenant === null ? null : receiptMail(occasion.payload, tenant, links)
    case 'operator_key':
      return tenant === null ? null : operatorKeyMail(occasion.payload, tenant, links)
    case 'member_reset':
      return tenant === null ? null : memberResetMail(occasion.payload, tenant, links)
  }
}
