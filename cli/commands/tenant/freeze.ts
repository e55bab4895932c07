import { FreezeReason } from '../../../domain/contracts/operator-door.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { askOperatorDoor, OPERATOR_OPTIONS } from '../../operator.ts'
import { tenantArgument } from './tenant-argument.ts'

export const freeze: Command = {
  usage: 'flarewatch freeze TENANT --reason TEXT [--vault URL]',
  summary: "operator: stop a tenant's key releases at once; its audit log goes on",
  options: { reason: { type: 'string' }, ...OPERATOR_OPTIONS },
  positionals: 1,
  async run(args: Arguments) {
    const tenantId = tenantArgument(args)
    const reason = FreezeReason.safeParse(args.values.reason)
    if (!reason.success) throw new CommandRefused('usage', '--reason takes 1 to 200 characters', EXIT.usage)
    const { row_id } = await askOperatorDoor(args, 'tenant-freeze', { tenant_id: tenantId, reason: reason.data })
    const noted = row_id === null ? 'The row that says so could not be made: freeze again once it can' : `Row ${row_id}`
    return {
      document: { ok: true, tenant_id: tenantId, frozen: true, row_id },
      text: `Tenant ${tenantId} is frozen. ${noted}`,
      exit: EXIT.ok,
    }
  },
}
