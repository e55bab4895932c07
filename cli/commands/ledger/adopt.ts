import { type Arguments, type Command, EXIT } from '../../command.ts'
import { askOperatorDoor, OPERATOR_OPTIONS } from '../../operator.ts'
import { newestReceipt, RECEIPT_OPTIONS } from '../../receipts.ts'
import { tenantArgument } from '../tenant/tenant-argument.ts'

/** Flow 3: lifts the refusal of a ledger that lost history, where everything that can be compared agrees with Postgres. */
export const ledgerAdopt: Command = {
  usage: 'flarewatch ledger adopt TENANT [--gateway URL | --without-receipts] [--vault URL]',
  summary: "operator: let a ledger that lost history take over Postgres' chain, once it verifies",
  options: { ...OPERATOR_OPTIONS, ...RECEIPT_OPTIONS },
  positionals: 1,
  async run(args: Arguments) {
    const tenantId = tenantArgument(args)
    const receipt = await newestReceipt(args, tenantId)
    const adopted = await askOperatorDoor(args, 'ledger-adopt', { tenant_id: tenantId, receipt })
    const { row_id, from_seq, adopted_seq, receipt_size, carried } = adopted
    const witness =
      receipt_size === null ? 'no receipt was there to compare' : `it agrees with the receipt of ${receipt_size} rows`
    return {
      document: { ok: true, tenant_id: tenantId, row_id, from_seq, adopted_seq, receipt_size, carried },
      text: [
        `The ledger stood at row ${from_seq} and goes on from row ${adopted_seq} of Postgres; ${witness}. Row ${row_id}`,
        ...(carried > 0 ? [`${carried} rows that only the ledger had follow it under new numbers`] : []),
      ].join('\n'),
      exit: EXIT.ok,
    }
  },
}
