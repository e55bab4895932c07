import { type Expected, type Forged, type Forgery, somewhere } from '../forgery.ts'
import { removeRows } from '../log-rows.ts'
import type { Superuser } from '../superuser.ts'
import { byVerifier, inPostgres } from './in-postgres.ts'

/** What keeps everyone but a superuser from rows, switched off by one; and a month dropped before it was certified. */
export const GUARD_FORGERIES: readonly Forgery[] = [
  guards('triggers, while the verifier looks', 'guards_off', [
    'alter table flarewatch.audit_log disable trigger extend_chain, disable trigger refuse_change',
  ]),
  guards('row-level security, while the verifier looks', 'guards_off', [
    'alter table flarewatch.audit_log no force row level security',
  ]),
  guards('triggers, and on again before it looks', 'guards_changed', [
    'alter table flarewatch.audit_log disable trigger extend_chain, disable trigger refuse_change',
    'alter table flarewatch.audit_log enable always trigger extend_chain, enable always trigger refuse_change',
  ]),
  guards('row-level security, and on again before it looks', 'guards_changed', [
    'alter table flarewatch.audit_log no force row level security, disable row level security',
    'alter table flarewatch.audit_log enable row level security, force row level security',
  ]),

  inPostgres('prune without a certificate', "the first rows of a tenant's log", async (tx, target, random) => {
    await removeRows(tx, target.tenantId, 1, somewhere(target, random, { after: 1 }))
    return [byVerifier(target, 1, 'pruned_without_certificate')]
  }),
  {
    kind: 'prune without a certificate',
    variant: 'a whole month, its partition taken off',
    down: false,
    forge: ({ superuser, targets }) => takeOffMonth(superuser, targets[0]?.rows.at(-1)?.epoch ?? 0),
  },
]

const RESTORED = [
  'alter table flarewatch.audit_log enable row level security, force row level security',
  'alter table flarewatch.audit_log enable always trigger extend_chain, enable always trigger refuse_change',
]

function guards(variant: string, kind: string, statements: readonly string[]): Forgery {
  const expected: Expected[] = [{ tenantId: null, by: 'verifier', names: [{ kind, seq: null }] }]
  return {
    kind: 'turn RLS and triggers off and on again',
    variant,
    down: false,
    forge: async ({ superuser }) => {
      await runEach(superuser, statements)
      return { expected, undo: () => runEach(superuser, RESTORED) }
    },
  }
}

async function runEach({ sql }: Superuser, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await sql.unsafe(statement)
}

/** The month's rows are gone for every tenant, with an empty partition in their place: who appends meanwhile goes on undisturbed. */
async function takeOffMonth(superuser: Superuser, epoch: number): Promise<Forged> {
  const leaf = `audit_log_${epoch}`
  const losses = await superuser.sql<{ tenant_id: string; first: number }[]>`
    select tenant_id, min(seq)::float8 as first from flarewatch.${superuser.sql(leaf)} group by tenant_id`
  await superuser.unguarded(async (tx) => {
    await tx`alter table flarewatch.audit_log detach partition flarewatch.${tx(leaf)}`
    await tx`alter table flarewatch.${tx(leaf)} rename to audit_log_taken_off`
    await tx`select flarewatch.open_audit_month(${epoch})`
  })
  const undo = () =>
    superuser.unguarded(async (tx) => {
      await tx`insert into flarewatch.audit_log_taken_off select * from flarewatch.${tx(leaf)}`
      await tx`drop table flarewatch.${tx(leaf)}`
      await tx`alter table flarewatch.audit_log_taken_off rename to ${tx(leaf)}`
      await tx`alter table flarewatch.audit_log attach partition flarewatch.${tx(leaf)} for values in (${tx.unsafe(String(epoch))})`
    })
  return {
    expected: losses.map((lost) =>
      byVerifier({ tenantId: lost.tenant_id }, lost.first, 'pruned_without_certificate', 'tail_truncated'),
    ),
    undo,
  }
}
