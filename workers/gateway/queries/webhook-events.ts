import type { SealedWebhook } from '../../../domain/contracts/gateway-door.ts'
import type { WebhookEndpointId } from '../../../domain/contracts/ids.ts'
import { withDatabase } from '../../runtime/database.ts'
import type { Visit } from '../visit.ts'
import { withinTime } from '../with-tenant.ts'

/**
 * No user is bound, since none asks: the one function that this role may call takes the tenant from the endpoint. False where the
 * endpoint or the key that the event was sealed by went meanwhile.
 */
export function storeEvent(
  { bindings, context, now }: Visit,
  endpointId: WebhookEndpointId,
  { eventId, dekVersion, salt, ciphertext }: SealedWebhook,
): Promise<boolean> {
  return withDatabase(bindings.DB, context, async (sql) => {
    const stored = sql<{ stored: boolean }[]>`
      select flarewatch.receive_webhook(
        ${endpointId}, ${eventId}, ${dekVersion}, ${salt}, ${ciphertext}, ${new Date(now)}
      ) as stored`
    const [row] = await withinTime(stored)
    return row?.stored === true
  })
}
