import { type Arguments, type Command, EXIT } from '../../command.ts'
import { askOperatorDoor, OPERATOR_OPTIONS } from '../../operator.ts'
import { tenantArgument } from '../tenant/tenant-argument.ts'

/** Flow 3: acknowledged rows that Postgres lost come back from the ledger, by an act that is a row of its own. */
export const ledgerRefeed: Command = {
  usage: 'flarewatch ledger refeed TENANT [--vault URL]',
  summary: 'operator: put back rows that Postgres acknowledged and lost, as far as the ledger keeps them (35 days)',
  options: OPERATOR_OPTIONS,
  positionals: 1,
  async run(args: Arguments) {
    const tenantId = tenantArgument(args)
    let page = await askOperatorDoor(args, 'ledger-refeed', { tenant_id: tenantId, act_row: null, below: null })
    let refed = page.refed
    while (page.below !== null) {
      process.stderr.write(`${refed} rows put back, down to row ${page.below}\n`)
      page = await askOperatorDoor(args, 'ledger-refeed', {
        tenant_id: tenantId,
        act_row: page.act_row,
        below: page.below,
      })
      refed += page.refed
    }
    const { state, missing } = await askOperatorDoor(args, 'ledger-status', { tenant_id: tenantId })
    const ok = state === 'agrees'
    return {
      document: { ok, tenant_id: tenantId, act_row: page.act_row, refed, missing, state },
      text: `${refed} rows were put back by row ${page.act_row}; ${missing} are missing still. The ledger now says: ${state}`,
      exit: ok ? EXIT.ok : EXIT.failed,
    }
  },
}
