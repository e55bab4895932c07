/** Every field that a log line can carry: ids, codes and counts. What is not listed cannot be logged (V5). */
export type LogFields = {
  readonly request_id?: string
  readonly job_id?: string
  readonly tenant_id?: string
  readonly credential_id?: string
  readonly row_id?: string
  readonly door?: string
  readonly op?: string
  readonly method?: string
  readonly route?: string
  readonly dataset?: string
  readonly code?: string
  readonly sqlstate?: string
  readonly status?: number
  readonly seq?: number
  readonly count?: number
  readonly attempt?: number
  readonly ms?: number
  readonly ok?: boolean
}
export type LogLevel = 'info' | 'warn' | 'error'

const ALLOWED: ReadonlySet<string> = new Set<keyof LogFields>([
  'request_id',
  'job_id',
  'tenant_id',
  'credential_id',
  'row_id',
  'door',
  'op',
  'method',
  'route',
  'dataset',
  'code',
  'sqlstate',
  'status',
  'seq',
  'count',
  'attempt',
  'ms',
  'ok',
])
/** Longer than any id, code or route of ours; shorter than most keys together with their surroundings. */
const MAX_TEXT = 64

/** One line of JSON. The type names the fields, and the run-time list holds for what a cast lets through. */
export function logLine(part: string, level: LogLevel, event: string, fields: LogFields, at: Date): string {
  const kept = Object.entries(fields).filter(([name, value]) => ALLOWED.has(name) && isLoggable(value))
  return JSON.stringify({ at: at.toISOString(), part, level, event, ...Object.fromEntries(kept) })
}

export function log(part: string, level: LogLevel, event: string, fields: LogFields = {}): void {
  const line = logLine(part, level, event, fields, new Date())
  if (level === 'error') console.error(line)
  else if (level === 'warn') console.warn(line)
  else console.log(line)
}

function isLoggable(value: unknown): boolean {
  if (typeof value === 'string') return value.length <= MAX_TEXT
  return typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
}
