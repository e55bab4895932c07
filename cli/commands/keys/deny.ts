import type { KekRow } from '../../../domain/contracts/operator-door.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { askOperatorDoor, OPERATOR_OPTIONS } from '../../operator.ts'
import { parseVersion } from './version.ts'

type TenantRows = { tenant_id: string; tenant_keys: string[]; audit_keys: string[]; credentials: string[] }
const LISTS = { tenant_key: 'tenant_keys', audit_key: 'audit_keys', credential: 'credentials' } as const

/** V4: the version is stopped first and listed afterwards; a list that cannot be had takes nothing back. */
export const keysDeny: Command = {
  usage: 'flarewatch keys deny N [--vault URL]',
  summary: 'operator: stop a leaked KEK version from opening anything at once, and list what is under it',
  options: OPERATOR_OPTIONS,
  positionals: 1,
  async run(args: Arguments) {
    const version = parseVersion(args.positionals[0])
    await askOperatorDoor(args, 'kek-deny', { version })
    const tenants = await listed(args, version)
    return {
      document: { ok: true, version, denied: true, tenants },
      text: [`KEK version ${version} opens nothing any more.`, ...describe(tenants), ...whatNext(version)].join('\n'),
      exit: EXIT.ok,
    }
  },
}

/** Null when Postgres cannot be asked now. */
async function listed(args: Arguments, version: number): Promise<TenantRows[] | null> {
  const tenants = new Map<string, TenantRows>()
  try {
    for (let after: string | null = null; ; ) {
      const page: { rows: KekRow[]; next: string | null } = await askOperatorDoor(args, 'kek-rows', { version, after })
      for (const row of page.rows) addRow(tenants, row)
      if (page.next === null) return [...tenants.values()]
      after = page.next
    }
  } catch (error) {
    if (error instanceof CommandRefused) return null
    throw error
  }
}

function addRow(tenants: Map<string, TenantRows>, { tenant_id, kind, id }: KekRow): void {
  const known = tenants.get(tenant_id) ?? { tenant_id, tenant_keys: [], audit_keys: [], credentials: [] }
  known[LISTS[kind]].push(id)
  tenants.set(tenant_id, known)
}

function describe(tenants: readonly TenantRows[] | null): string[] {
  if (tenants === null) return ['What is under it could not be listed: deny it again once the database answers.']
  if (tenants.length === 0) return ['No row is under it.']
  return tenants.flatMap(({ tenant_id, tenant_keys, audit_keys, credentials }) => [
    `  tenant ${tenant_id}: ${tenant_keys.length} tenant keys, ${audit_keys.length} audit keys, ${credentials.length} credentials`,
    ...credentials.map((id) => `    credential ${id}`),
  ])
}

function whatNext(version: number): string[] {
  return [
    'Whoever has this key and a copy of the database still needs the shares: let the tenants rotate these credentials at their providers.',
    `To use what is under it again: deploy a new version, then flarewatch keys rotate --from-denied ${version}`,
  ]
}
