import { z } from 'zod'

/** Every id is a lower-case RFC 9562 UUID; each kind is its own brand, so one cannot stand in for another. */
const uuid = z.uuid().lowercase()

export const TenantId = uuid.brand<'TenantId'>()
export type TenantId = z.infer<typeof TenantId>
export const UserId = uuid.brand<'UserId'>()
export type UserId = z.infer<typeof UserId>
export const SessionId = uuid.brand<'SessionId'>()
export type SessionId = z.infer<typeof SessionId>
export const CredentialId = uuid.brand<'CredentialId'>()
export type CredentialId = z.infer<typeof CredentialId>
export const SiteId = uuid.brand<'SiteId'>()
export type SiteId = z.infer<typeof SiteId>
export const JobId = uuid.brand<'JobId'>()
export type JobId = z.infer<typeof JobId>
export const AuditRowId = uuid.brand<'AuditRowId'>()
export type AuditRowId = z.infer<typeof AuditRowId>
/** A delivery of a webhook that was found to be genuine: where it waits in the inbox. */
export const WebhookEventId = uuid.brand<'WebhookEventId'>()
export type WebhookEventId = z.infer<typeof WebhookEventId>
/** 128 random bits in canonical base64url: all that a delivery's address tells. */
export const WebhookEndpointId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{21}[AQgw]$/)
  .brand<'WebhookEndpointId'>()
export type WebhookEndpointId = z.infer<typeof WebhookEndpointId>
