import { listRows } from '../kek-rows.ts'
import type { Operation } from './operation.ts'

export const kekRows: Operation<'kek-rows'> = (visit, { version, after }) => listRows(visit, version, after)
