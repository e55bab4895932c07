import { Provider } from '../../domain/contracts/providers.ts'
import { PROVIDERS } from '../../domain/providers/registry.ts'
import { startCloudflareSimulator } from './cloudflare/simulator.ts'
import type { ProviderSimulator, SimulatorOptions } from './provider-simulator.ts'
import { startResendSimulator } from './resend/simulator.ts'
import { startStripeSimulator } from './stripe/simulator.ts'
import { startSupabaseSimulator } from './supabase/simulator.ts'

/** One line a provider, see docs/add-a-provider.md. */
const STARTS: { readonly [Name in Provider]: (options: SimulatorOptions) => Promise<ProviderSimulator> } = {
  cloudflare: startCloudflareSimulator,
  resend: startResendSimulator,
  supabase: startSupabaseSimulator,
  stripe: startStripeSimulator,
}

export type RunningSimulators = {
  readonly of: (provider: Provider) => ProviderSimulator
  readonly stop: () => Promise<void>
}

export async function startSimulators(optionsOf: (provider: Provider) => SimulatorOptions): Promise<RunningSimulators> {
  const names = Provider.options
  const running = await Promise.all(names.map(async (name) => [name, await STARTS[name](optionsOf(name))] as const))
  const simulators = new Map(running)
  return {
    of: (provider) => {
      const simulator = simulators.get(provider)
      if (simulator === undefined) throw new Error(`no simulator of ${provider}`)
      return simulator
    },
    stop: async () => {
      await Promise.all(running.map(([, simulator]) => simulator.stop()))
    },
  }
}

/** Where each provider is asked, by the variables of Workers and functions: its simulator where one runs, and else itself. */
export function apiUrlVariables(simulators: RunningSimulators | undefined): Record<string, string> {
  return Object.fromEntries(
    Provider.options.map((name) => {
      const { apiUrlVariable, apiUrl } = PROVIDERS[name]
      return [apiUrlVariable, simulators?.of(name).apiUrl ?? apiUrl]
    }),
  )
}
