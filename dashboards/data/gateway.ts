import { ConfigResponse, TENANT_HEADER, type TenantId, type z } from './schemas.ts'
import { type Answer, failed, requestJson } from './wire.ts'

export type Config = z.infer<typeof ConfigResponse>
export type AccessToken = () => Promise<string | null>

/** Asks the gateway, on our own origin: it is read, and one's own sessions are deleted. */
export type Gateway = <Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  method?: 'GET' | 'DELETE',
) => Promise<Answer<z.output<Schema>>>

export function readConfig(): Promise<Answer<Config>> {
  return requestJson('/api/config', ConfigResponse, {})
}

export function gatewayFor(token: string | null, tenantId: TenantId | null): Gateway {
  return async (path, schema, method = 'GET') => {
    if (token === null) return failed('signed_out')
    const headers = { authorization: `Bearer ${token}`, ...(tenantId === null ? {} : { [TENANT_HEADER]: tenantId }) }
    return requestJson(path, schema, { method, headers })
  }
}
