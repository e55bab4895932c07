import type { z } from 'zod'
import { MeResponse, type StatusResponse } from '../../../domain/contracts/api.ts'
import { CommandRefused } from '../../command.ts'
import { fetchJson, fetchText } from '../../http.ts'
import { pinCheckpoint, readPin } from '../../pins.ts'
import type { RunFile } from '../../run-file.ts'
import { trustFor } from '../../trust.ts'

type Part = z.infer<typeof StatusResponse>['parts'][number]
type Asked = { readonly run: RunFile; readonly dir: string; readonly headers: Record<string, string> }
const SHORT_ID = 8

/** L2: each log of the signed-in member may only have grown since it was last seen from this folder. */
export async function logParts({ run, dir, headers }: Asked): Promise<Part[]> {
  const { tenants } = await fetchJson(`${run.gateway_url}/api/me`, { headers }, MeResponse)
  return Promise.all(
    tenants.map(async ({ id }) => ({
      name: tenants.length === 1 ? 'log' : `log ${id.slice(0, SHORT_ID)}`,
      ...(await judged(run.gateway_url, dir, id)),
    })),
  )
}

async function judged(gatewayUrl: string, dir: string, tenantId: string): Promise<Omit<Part, 'name'>> {
  try {
    const note = await newestNote(gatewayUrl, dir, tenantId)
    if (note === null) return { state: 'ok', detail: 'no checkpoint yet' }
    const trust = trustFor(undefined, { dir, tenantId, gatewayUrl })
    if (trust === null) return { state: 'degraded', detail: 'no key of the log is known here' }
    const { size, previousSize } = await pinCheckpoint({ dir, tenantId, gatewayUrl, trust, note, isNewest: true })
    const since = previousSize === null ? '' : `, unchanged in the ${previousSize} seen from here before`
    return { state: 'ok', detail: `${size} rows signed${since}` }
  } catch (error) {
    if (!(error instanceof CommandRefused)) throw error
    return { state: 'down', detail: `${error.code}: ${error.message}` }
  }
}

/** Null for a log that was never signed; one that was seen before and is gone is not that. */
async function newestNote(gatewayUrl: string, dir: string, tenantId: string): Promise<string | null> {
  try {
    return await fetchText(`${gatewayUrl}/receipts/${tenantId}`)
  } catch (error) {
    if (!(error instanceof CommandRefused) || error.code !== 'not_found') throw error
    if (readPin(dir, tenantId) === null) return null
    throw new CommandRefused('checkpoint_gone', 'A checkpoint was seen from here before, and none is served now')
  }
}
