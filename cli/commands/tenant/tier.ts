import { POLL_SECONDS, Tier } from '../../../domain/contracts/tiers.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { askOperatorDoor, OPERATOR_OPTIONS } from '../../operator.ts'
import { tenantArgument } from './tenant-argument.ts'

export const tenantTier: Command = {
  usage: 'flarewatch tenant tier TENANT TIER [--vault URL]',
  summary: `operator: set what a tenant pays for (${Tier.options.join(', ')}), and so how often it is polled`,
  options: OPERATOR_OPTIONS,
  positionals: 2,
  async run(args: Arguments) {
    const tenantId = tenantArgument(args)
    const tier = Tier.safeParse(args.positionals[1])
    if (!tier.success) throw new CommandRefused('usage', `TIER is one of ${Tier.options.join(', ')}`, EXIT.usage)
    const { row_id } = await askOperatorDoor(args, 'tenant-tier', { tenant_id: tenantId, tier: tier.data })
    return {
      document: { ok: true, tenant_id: tenantId, tier: tier.data, poll_seconds: POLL_SECONDS[tier.data], row_id },
      text: `Tenant ${tenantId} is ${tier.data}: polled every ${POLL_SECONDS[tier.data]} s, each credential. Row ${row_id}`,
      exit: EXIT.ok,
    }
  },
}
