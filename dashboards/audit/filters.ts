import type { Names } from './words.ts'
import { ACTIONS, actionLabel, actorText, targetText } from './words.ts'

export const FIELDS = ['actor', 'action', 'target'] as const
export type Field = (typeof FIELDS)[number]
/** Exact values; an absent one lets everything through. */
export type Filters = { readonly [Name in Field]?: string }
export type Option = { readonly value: string; readonly label: string }

/** As the server's own bound: more would be refused. */
const MAX_VALUE = 128

export function filtersOf(search: string): Filters {
  const given = new URLSearchParams(search)
  return withoutEmpty(Object.fromEntries(FIELDS.map((field) => [field, given.get(field)?.slice(0, MAX_VALUE)])))
}

export function searchOf(filters: Filters): string {
  const given = FIELDS.flatMap((field) => (filters[field] === undefined ? [] : [[field, filters[field]]]))
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}

export function withFilter(filters: Filters, field: Field, value: string): Filters {
  return withoutEmpty({ ...filters, [field]: value })
}

function withoutEmpty(values: { readonly [Name in Field]?: string | undefined }): Filters {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== ''))
}

type Seen = { readonly [Name in Field]: readonly string[] }
type Known = { readonly names: Names; readonly tenantId: string }

/** What can be chosen: what is always there, what the loaded rows name, and what is chosen now. */
export function optionsOf(field: Field, filters: Filters, seen: Seen, { names, tenantId }: Known): Option[] {
  const always: Seen = {
    actor: [...(names.me === null ? [] : [`user:${names.me}`]), 'connector'],
    action: ACTIONS,
    target: [...Array.from(names.credentials.keys(), (id) => `credential:${id}`), `tenant:${tenantId}`],
  }
  // An action that cannot be looked for is not offered because it was seen.
  const met = field === 'action' ? [] : seen[field]
  const values = [...always[field], ...met, filters[field] ?? ''].filter((value) => value !== '')
  return [...new Set(values)].map((value) => ({ value, label: labelOf(field, value, names) }))
}

function labelOf(field: Field, value: string, names: Names): string {
  switch (field) {
    case 'actor':
      return actorText(value, names)
    case 'action':
      return actionLabel(value)
    case 'target':
      return capitalised(targetText(value, names))
  }
}

function capitalised(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
