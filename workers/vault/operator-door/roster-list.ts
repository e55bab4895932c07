import { success } from '../../../domain/result.ts'
import { askRoster } from '../ledger.ts'
import type { Operation } from './operation.ts'

export const rosterList: Operation<'roster-list'> = async ({ bindings }, { cursor }) => {
  const page = await askRoster(bindings, (roster) => roster.list(cursor))
  if (!page.ok) return page
  return success({ tenants: page.value.entries.map(({ tenantId }) => tenantId), next: page.value.next })
}
