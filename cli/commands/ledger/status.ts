import { type Arguments, type Command, EXIT } from '../../command.ts'
import { askOperatorDoor, OPERATOR_OPTIONS } from '../../operator.ts'
import { tenantArgument } from '../tenant/tenant-argument.ts'

/** What each state means, and what an operator does about it. */
const ADVICE = {
  unborn: 'The tenant has no row on either side.',
  lost: 'Postgres has rows and the ledger has nothing: flarewatch restore keys',
  unproven: 'Shares were restored and did not prove themselves: flarewatch restore keys, from another backup',
  behind: 'The ledger lost history and appends nothing: flarewatch ledger adopt TENANT',
  rows_gone: 'Postgres lost rows that it had acknowledged: flarewatch ledger refeed TENANT',
  row_rewritten: 'Postgres changed a row that it had acknowledged: see docs/runbooks/restore.md',
  postgres_unreachable: 'Postgres does not answer; rows wait in the ledger and drain by themselves.',
  agrees: 'Both sides agree.',
} as const

export const ledgerStatus: Command = {
  usage: 'flarewatch ledger status TENANT [--vault URL]',
  summary: "operator: compare a tenant's ledger with Postgres now",
  options: OPERATOR_OPTIONS,
  positionals: 1,
  async run(args: Arguments) {
    const tenantId = tenantArgument(args)
    const standing = await askOperatorDoor(args, 'ledger-status', { tenant_id: tenantId })
    const { state, seq, flushed_seq, stored_seq, missing, frozen } = standing
    const ok = state === 'agrees' || state === 'unborn'
    return {
      document: { ok, tenant_id: tenantId, waiting: seq - flushed_seq, ...standing },
      text: [
        `${state}: ${ADVICE[state]}`,
        `  ledger: row ${seq}, ${seq - flushed_seq} waiting for Postgres${frozen ? ', frozen' : ''}`,
        `  Postgres: ${stored_seq === null ? 'no row seen' : `row ${stored_seq}`}${missing > 0 ? `, ${missing} missing` : ''}`,
      ].join('\n'),
      exit: ok ? EXIT.ok : EXIT.failed,
    }
  },
}
