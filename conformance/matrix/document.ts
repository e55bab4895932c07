/** One cell of a matrix: what was tried, by whom, what should come of it and what came. */
export type Cell = { readonly what: string; readonly who: string; readonly expected: string; readonly actual: string }

/** `matrix --json`: each cell that is not as expected is a leak, also one that refuses more than it should. */
export type MatrixDocument = {
  readonly ok: boolean
  readonly cells: number
  readonly leaks: readonly Cell[]
  readonly endpoints: number
  readonly sql: number
  readonly messages: number
}

export function documentOf(
  endpoints: readonly Cell[],
  sql: readonly Cell[],
  messages: readonly Cell[],
): MatrixDocument {
  const cells = [...endpoints, ...sql, ...messages]
  const leaks = cells.filter(({ expected, actual }) => expected !== actual)
  return {
    ok: leaks.length === 0,
    cells: cells.length,
    leaks,
    endpoints: endpoints.length,
    sql: sql.length,
    messages: messages.length,
  }
}

export function table({ ok, endpoints, sql, messages, leaks }: MatrixDocument): string {
  const lines = [
    `${endpoints} cells of endpoint and visitor, ${sql} of table or function, role, verb and tenant, ${messages} of queue message or job`,
    ...leaks.map(({ what, who, expected, actual }) => `  LEAK ${what}, by ${who}: expected ${expected}, was ${actual}`),
    ok ? 'ok: every cell is as it should be' : 'NOT OK',
  ]
  return `${lines.join('\n')}\n`
}
