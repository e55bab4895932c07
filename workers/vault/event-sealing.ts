import { randomBytes, zeroize } from '../../domain/bytes.ts'
import type { SealedEvent } from '../../domain/contracts/connector-door.ts'
import { type TenantId, WebhookEventId } from '../../domain/contracts/ids.ts'
import { deriveSubkey, SALT_BYTES, sealRecord } from '../../domain/envelope/record.ts'
import { type Result, success } from '../../domain/result.ts'
import { type Delivery, packDelivery } from '../../domain/webhooks/delivery.ts'
import type { OpenFault, Unlocked } from './release.ts'
import type { TenantDek } from './tenant-dek.ts'

/** What seals one event of the inbox. Whoever gets it zeroes the subkey. */
export type EventSealing = {
  readonly tenantId: TenantId
  readonly eventId: WebhookEventId
  readonly dekVersion: number
  readonly salt: Uint8Array
  readonly subkey: Uint8Array
}

/** A salt of its own each time: a key that opens one event opens no other. */
export async function eventSealing(
  { unwrap }: Unlocked,
  tenantDek: TenantDek,
  tenantId: TenantId,
): Promise<Result<EventSealing, OpenFault>> {
  const { version: dekVersion } = tenantDek
  const dek = await unwrap({ purpose: 'tenant-dek', tenantId, keyVersion: dekVersion }, tenantDek)
  if (!dek.ok) return dek
  try {
    const eventId = WebhookEventId.parse(crypto.randomUUID())
    const salt = randomBytes(SALT_BYTES)
    const subkey = await deriveSubkey({ dek: dek.value, salt, context: { tenantId, eventId, dekVersion } })
    return success({ tenantId, eventId, dekVersion, salt, subkey })
  } finally {
    zeroize(dek.value)
  }
}

export async function sealDelivery(
  { tenantId, eventId, dekVersion, salt, subkey }: EventSealing,
  delivery: Delivery,
): Promise<SealedEvent> {
  const context = { tenantId, eventId, dekVersion }
  const ciphertext = await sealRecord({ subkey, context, plaintext: packDelivery(delivery) })
  return { eventId, dekVersion, salt, ciphertext }
}
