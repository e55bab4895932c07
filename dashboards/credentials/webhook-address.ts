/** Where a provider delivers: the gateway serves this very page. */
export function webhookAddress(
  provider: string,
  endpointId: string,
  origin: string = globalThis.location.origin,
): string {
  return `${origin}/webhooks/${provider}/${endpointId}`
}
