import { TenantId } from '../../../domain/contracts/ids.ts'
import { type Arguments, CommandRefused, EXIT } from '../../command.ts'

export function tenantArgument({ positionals }: Arguments): TenantId {
  const parsed = TenantId.safeParse(positionals[0])
  if (parsed.success) return parsed.data
  throw new CommandRefused('usage', 'TENANT is the id of a tenant', EXIT.usage)
}
