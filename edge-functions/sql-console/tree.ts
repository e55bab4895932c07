import { FUNCTIONS, OPERATORS, RELATIONS, SCHEMA, TYPES } from './allowed.ts'

/** `at` counts bytes from 0, as the parser does. */
export type Refusal = { readonly what: string; readonly at: number | null }
type Fields = Readonly<Record<string, unknown>>
type Node = { readonly type: string; readonly fields: Fields; readonly at: number | null }
type Names = { readonly ctes: ReadonlySet<string>; readonly columns: ReadonlySet<string> }

/** Every node that may occur, with every field that it may have. An unknown node or field ends the walk. */
const GRAMMAR: Readonly<Record<string, string>> = {
  SelectStmt:
    'distinctClause targetList fromClause whereClause groupClause groupDistinct havingClause windowClause valuesLists sortClause ' +
    'limitOffset limitCount limitOption withClause op all larg rarg',
  ResTarget: 'name val',
  ColumnRef: 'fields',
  A_Star: '',
  String: 'sval',
  Integer: 'ival',
  A_Const: 'ival fval boolval sval isnull',
  RangeVar: 'schemaname relname inh relpersistence alias',
  RangeSubselect: 'lateral subquery alias',
  RangeFunction: 'lateral ordinality functions alias',
  JoinExpr: 'jointype isNatural larg rarg usingClause join_using_alias quals alias rtindex',
  Alias: 'aliasname colnames',
  FuncCall: 'funcname args agg_order agg_filter over agg_within_group agg_star agg_distinct funcformat',
  TypeCast: 'arg typeName',
  TypeName: 'names typmods typemod arrayBounds',
  A_Expr: 'kind name lexpr rexpr',
  BoolExpr: 'boolop args',
  NullTest: 'arg nulltesttype argisrow',
  BooleanTest: 'arg booltesttype',
  CaseExpr: 'arg args defresult',
  CaseWhen: 'expr result',
  CoalesceExpr: 'args',
  MinMaxExpr: 'op args',
  SubLink: 'subLinkType testexpr operName subselect',
  SortBy: 'node sortby_dir sortby_nulls',
  WindowDef: 'name refname partitionClause orderClause frameOptions startOffset endOffset',
  A_ArrayExpr: 'elements',
  List: 'items',
  GroupingSet: 'kind content',
  WithClause: 'ctes',
  CommonTableExpr: 'ctename aliascolnames ctematerialized ctequery',
  SQLValueFunction: 'op typmod',
}
const ALLOWED = new Map(Object.entries(GRAMMAR).map(([type, fields]) => [type, new Set(fields.split(' '))]))

/** Fields whose value is a node of one type, written without its name. */
const BARE: Readonly<Record<string, string>> = {
  alias: 'Alias',
  join_using_alias: 'Alias',
  over: 'WindowDef',
  typeName: 'TypeName',
  withClause: 'WithClause',
}
/** Fields of whole statements, in the same way, in a set operation. */
const BARE_STATEMENTS = new Set(['larg', 'rarg'])

const CLOCKS = new Set(['SVFOP_CURRENT_DATE', 'SVFOP_CURRENT_TIMESTAMP', 'SVFOP_LOCALTIMESTAMP'])
const EXPRESSIONS = new Set(
  'OP OP_ANY OP_ALL DISTINCT NOT_DISTINCT NULLIF IN LIKE ILIKE BETWEEN NOT_BETWEEN BETWEEN_SYM NOT_BETWEEN_SYM'
    .split(' ')
    .map((kind) => `AEXPR_${kind}`),
)
/** All that `EXPLAIN (COSTS OFF)` says: no estimate, which would tell of everybody's rows, and nothing run. */
const EXPLAIN_OPTIONS = JSON.stringify([
  { defname: 'costs', arg: { String: { sval: 'off' } }, defaction: 'DEFELEM_UNSPEC' },
])

/** What in a parsed text is not allowed, if anything. */
export function judgeTree(parsed: unknown): Refusal | null {
  const statements = list(record(parsed).stmts)
  if (statements.length !== 1)
    return { what: statements.length === 0 ? 'an empty statement' : 'more than one statement', at: null }
  const only = wrapped(record(statements[0]).stmt)
  const judged = only?.type === 'ExplainStmt' ? explained(only.fields) : only
  if (judged === null || judged.type !== 'SelectStmt') {
    return { what: 'anything but one SELECT, VALUES or EXPLAIN (COSTS OFF)', at: null }
  }
  const nodes = [...nodesOf(judged)]
  const names = { ctes: ctesIn(nodes), columns: columnsIn(nodes) }
  for (const node of nodes) {
    const what = wrongWith(node, names)
    if (what !== null) return { what, at: node.at }
  }
  return null
}

function explained({ query, options }: Fields): Node | null {
  const given = list(options).map((option) => {
    const { location: _, ...rest } = record(record(option).DefElem)
    return rest
  })
  return JSON.stringify(given) === EXPLAIN_OPTIONS ? wrapped(query) : null
}

/** A node and all below it. What the grammar above doesn't know is one node with nothing below, and is refused as such. */
function* nodesOf(node: Node): Generator<Node> {
  yield node
  const allowed = ALLOWED.get(node.type)
  if (allowed === undefined || node.type === 'A_Const') return
  for (const [field, value] of Object.entries(node.fields)) {
    if (!allowed.has(field)) continue
    const bare = node.type === 'SelectStmt' && BARE_STATEMENTS.has(field) ? 'SelectStmt' : BARE[field]
    for (const part of Array.isArray(value) ? list(value) : [value]) {
      if (typeof part !== 'object' || part === null) continue
      const below = bare === undefined ? wrapped(part) : nodeOf(bare, part, node.at)
      if (below !== null) yield* nodesOf(below.at === null ? { ...below, at: node.at } : below)
    }
  }
}

function wrongWith(node: Node, names: Names): string | null {
  const allowed = ALLOWED.get(node.type)
  if (allowed === undefined) return NAMED[node.type] ?? node.type
  const stray = Object.keys(node.fields).find((field) => field !== 'location' && !allowed.has(field))
  if (stray !== undefined) return NAMED[stray] ?? `${node.type}.${stray}`
  return CHECKS[node.type]?.(node.fields, names) ?? null
}

/** Words for what people write most often. */
const NAMED: Readonly<Record<string, string>> = {
  intoClause: 'INTO',
  lockingClause: 'FOR UPDATE or FOR SHARE',
  recursive: 'WITH RECURSIVE',
  ParamRef: 'a parameter',
  CollateClause: 'COLLATE',
  RangeTableSample: 'TABLESAMPLE',
  RowExpr: 'a row constructor',
  NamedArgExpr: 'a named argument',
  func_variadic: 'VARIADIC',
  catalogname: 'another database',
  useOp: 'ORDER BY ... USING',
}

type Check = (fields: Fields, names: Names) => string | null
const CHECKS: Readonly<Record<string, Check>> = {
  RangeVar: ({ schemaname, relname }, { ctes }) => {
    const name = text(relname)
    const known = schemaname === SCHEMA || schemaname === undefined ? RELATIONS.has(name) : false
    const isCte = schemaname === undefined && ctes.has(name)
    return known || isCte ? null : `the relation "${name}"`
  },
  // A name that a catalogue has too could mean the one here and the other elsewhere in the statement.
  CommonTableExpr: ({ ctename, ctequery }) => {
    if (text(ctename).startsWith('pg_')) return `a CTE named "${text(ctename)}"`
    return wrapped(ctequery)?.type === 'SelectStmt' ? null : 'a CTE that is no SELECT'
  },
  FuncCall: ({ funcname }) => {
    const name = systemName(funcname)
    return name !== null && FUNCTIONS.has(name) ? null : `the function ${dotted(funcname)}`
  },
  TypeName: ({ names }) => {
    const name = systemName(names)
    return name !== null && TYPES.has(name) ? null : `the type ${dotted(names)}`
  },
  A_Expr: ({ kind, name }) => (EXPRESSIONS.has(text(kind)) ? operator(name) : 'this kind of expression'),
  SubLink: ({ operName }) => (operName === undefined ? null : operator(operName)),
  SQLValueFunction: ({ op }) => (CLOCKS.has(text(op)) ? null : 'a function of the session'),
  // `s.f` may call a function `f` on the row `s`: only what is a column or is named as one here.
  ColumnRef: ({ fields }, { columns }) => {
    const path = list(fields).map(wrapped)
    const last = path.at(-1)
    if (path.length > 2) return 'a name of more than two parts'
    if (path.length < 2 || last?.type === 'A_Star') return null
    return columns.has(text(last?.fields.sval)) ? null : `the column "${text(last?.fields.sval)}"`
  },
}

function operator(name: unknown): string | null {
  const parts = strings(name)
  const [only = ''] = parts
  return parts.length === 1 && OPERATORS.has(only) ? null : `the operator ${dotted(name)}`
}

function ctesIn(nodes: readonly Node[]): ReadonlySet<string> {
  return new Set(nodes.filter(({ type }) => type === 'CommonTableExpr').map(({ fields }) => text(fields.ctename)))
}

function columnsIn(nodes: readonly Node[]): ReadonlySet<string> {
  const own = nodes.flatMap(({ type, fields }) => {
    if (type === 'ResTarget') return [text(fields.name)]
    if (type === 'Alias') return [text(fields.aliasname), ...strings(fields.colnames)]
    if (type === 'CommonTableExpr') return strings(fields.aliascolnames)
    // An unnamed column has its function's name.
    if (type === 'FuncCall') return strings(fields.funcname).slice(-1)
    return []
  })
  return new Set([...[...RELATIONS.values()].flatMap((columns) => [...columns]), ...own])
}

/** `name` or `pg_catalog.name`. */
function systemName(names: unknown): string | null {
  const parts = strings(names)
  if (parts.length === 2 && parts[0] === 'pg_catalog') return parts[1] ?? null
  return parts.length === 1 ? (parts[0] ?? null) : null
}

function dotted(names: unknown): string {
  return strings(names).join('.')
}

function strings(names: unknown): string[] {
  return list(names).map((name) => text(wrapped(name)?.fields.sval))
}

function wrapped(value: unknown): Node | null {
  const [entry] = Object.entries(record(value))
  return entry === undefined ? null : nodeOf(entry[0], entry[1], null)
}

function nodeOf(type: string, value: unknown, above: number | null): Node {
  const fields = record(value)
  return { type, fields, at: typeof fields.location === 'number' && fields.location >= 0 ? fields.location : above }
}

function record(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
