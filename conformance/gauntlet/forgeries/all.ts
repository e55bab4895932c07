import type { Forgery } from '../forgery.ts'
import { GUARD_FORGERIES } from './guards.ts'
import { HISTORY_FORGERIES } from './histories.ts'
import { RECEIPT_FORGERIES } from './receipts.ts'
import { ROW_FORGERIES } from './rows.ts'
import { TENANT_FORGERIES } from './tenants.ts'

export const FORGERIES: readonly Forgery[] = [
  ...ROW_FORGERIES,
  ...HISTORY_FORGERIES,
  ...TENANT_FORGERIES,
  ...RECEIPT_FORGERIES,
  ...GUARD_FORGERIES,
]
