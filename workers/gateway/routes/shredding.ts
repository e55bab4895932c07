import { TenantId } from '../../../domain/contracts/ids.ts'
import { shreddingKey } from '../../../domain/contracts/receipt-store.ts'
import { Refusal } from '../refusal.ts'
import { type Handler, parseId } from '../visit.ts'

/** The signed certificate of a deleted tenant's shredding. Public, as receipts are: its members have no account left to ask with. */
export const shreddingCertificate: Handler = async (request, { bindings }) => {
  const stored = await bindings.RECEIPTS.get(shreddingKey(parseId(request.params.log, TenantId)))
  if (stored === null) throw new Refusal('not_found')
  return new Response(await stored.text(), {
    headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'public, max-age=31536000, immutable' },
  })
}
