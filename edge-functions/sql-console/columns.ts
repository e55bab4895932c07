import type { ConsoleColumn } from 'domain/contracts/console.ts'

/** Postgres's fixed OIDs of the types that a result may have (pg_type.dat). */
const TYPES: Readonly<Record<number, readonly [type: string, kind: ConsoleColumn['kind']]>> = {
  16: ['boolean', 'boolean'],
  20: ['bigint', 'number'],
  21: ['smallint', 'number'],
  23: ['integer', 'number'],
  25: ['text', 'text'],
  700: ['real', 'number'],
  701: ['double precision', 'number'],
  1042: ['character', 'text'],
  1043: ['character varying', 'text'],
  1082: ['date', 'text'],
  1083: ['time', 'text'],
  1114: ['timestamp', 'text'],
  1184: ['timestamp with time zone', 'timestamp'],
  1186: ['interval', 'text'],
  1700: ['numeric', 'number'],
  2950: ['uuid', 'text'],
}

export function columnOf({ name, type: oid }: { readonly name: string; readonly type: number }): ConsoleColumn {
  const [type, kind] = TYPES[oid] ?? [`type ${oid}`, 'text']
  return { name, type, kind }
}
