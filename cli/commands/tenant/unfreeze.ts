import { type Arguments, type Command, EXIT } from '../../command.ts'
import { askOperatorDoor, OPERATOR_OPTIONS } from '../../operator.ts'
import { tenantArgument } from './tenant-argument.ts'

export const unfreeze: Command = {
  usage: 'flarewatch unfreeze TENANT [--vault URL]',
  summary: "operator: let a tenant's key releases go on, with this hour's budgets anew",
  options: OPERATOR_OPTIONS,
  positionals: 1,
  async run(args: Arguments) {
    const tenantId = tenantArgument(args)
    const { row_id } = await askOperatorDoor(args, 'tenant-unfreeze', { tenant_id: tenantId })
    return {
      document: { ok: true, tenant_id: tenantId, frozen: false, row_id },
      text: `Tenant ${tenantId} is no longer frozen. Row ${row_id}`,
      exit: EXIT.ok,
    }
  },
}
