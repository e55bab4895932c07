import type { ProviderAction } from 'domain/contracts/functions.ts'
import { PurgeAnswer } from 'domain/providers/cloudflare/schemas.ts'
import type { z } from 'zod'
import { Refused } from '../_shared/errors.ts'
import { askFor, type Deed } from './perform.ts'

type Purge = z.infer<typeof ProviderAction.purge>

/** `purge` is the body, byte for byte. */
export const purgeCache: Deed<Purge, z.infer<typeof PurgeAnswer>> = {
  act: 'provider.purge_cache',
  provider: 'cloudflare',
  done: 'purged',
  judge: requireOfSite,
  perform: (ask, { purge }, zone) =>
    askFor(ask, { method: 'POST', path: `/zones/${zone}/purge_cache`, body: JSON.stringify(purge) }, PurgeAnswer),
  keep: ({ result }, site) => ({ site, provider_id: result.id }),
}

/** An address of another host is refused here, before a key is released for it. */
function requireOfSite({ purge: wanted }: Purge, name: string): void {
  if (!('files' in wanted)) return
  const isOurs = (host: string) => host === name || host.endsWith(`.${name}`)
  if (!wanted.files.every((file) => isOurs(new URL(file).hostname)))
    throw new Refused('request_invalid', { fields: ['purge.files'] })
}
