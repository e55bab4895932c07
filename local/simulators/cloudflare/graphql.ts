import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildSchema, execute, GraphQLError, type GraphQLResolveInfo, parse, validate } from 'graphql'
import { z } from 'zod'
import type { Fault } from '../faults.ts'
import { type Dataset, type DatasetLimits, type NodeArgs, quota, rowsOfNode } from './datasets.ts'
import { type Grant, TOKEN_SCOPES } from './tokens.ts'
import type { World, WorldZone } from './world.ts'

export type GraphqlAnswer = { data: unknown; errors: readonly unknown[] | null }
export type GraphqlContext = {
  readonly world: World
  readonly grant: Grant
  readonly limits: Record<Dataset, DatasetLimits>
  readonly now: number
  readonly bend: (grouped: string, zone: WorldZone) => Fault | undefined
}

const MAX_ZONES = 10
const GraphqlRequest = z.object({
  query: z.string().max(65_536),
  variables: z.record(z.string(), z.unknown()).nullish(),
  operationName: z.string().max(256).nullish(),
})
const schema = buildSchema(readFileSync(join(import.meta.dirname, 'schema.graphql'), 'utf8'))

export async function answerGraphql(body: unknown, context: GraphqlContext): Promise<GraphqlAnswer> {
  const request = GraphqlRequest.safeParse(body)
  if (!request.success) return refusal('error parsing args: the request is not a GraphQL request', context.now)
  try {
    const document = parse(request.data.query, { maxTokens: 2000 })
    const invalid = validate(schema, document)
    if (invalid.length > 0) return { data: null, errors: invalid.map((error) => wireError(error, context.now)) }
    const { data, errors } = await execute({
      schema,
      document,
      rootValue: { viewer: { zones: (args: ZonesArgs) => zonesField(args, context) } },
      variableValues: request.data.variables,
      operationName: request.data.operationName,
    })
    if (errors === undefined) return { data, errors: null }
    return { data: null, errors: errors.map((error) => wireError(error, context.now)) }
  } catch (error) {
    if (error instanceof GraphQLError) return { data: null, errors: [wireError(error, context.now)] }
    throw error
  }
}

export function refusal(message: string, now: number, code?: string): GraphqlAnswer {
  return { data: null, errors: [wireError(new GraphQLError(message, { extensions: code ? { code } : {} }), now)] }
}

/** Cloudflare's own wording where it is known: clients match on it. */
function wireError(error: GraphQLError, now: number): unknown {
  const field = /^Cannot query field "(\w+)"/.exec(error.message)?.[1]
  const message = field === undefined ? error.message : `unknown field "${field}"`
  return {
    message,
    path: error.path?.map(String) ?? null,
    extensions: { ...error.extensions, timestamp: new Date(now).toISOString() },
  }
}

type ZonesArgs = { filter?: { zoneTag?: string; zoneTag_in?: string[] } }

function zonesField({ filter }: ZonesArgs, context: GraphqlContext): unknown {
  const tags = filter?.zoneTag_in ?? (filter?.zoneTag === undefined ? [] : [filter.zoneTag])
  if (tags.length === 0) throw new GraphQLError('error parsing args for "zones": a zoneTag filter is required')
  if (tags.length > MAX_ZONES) throw quota(`number of zones can't be more than ${MAX_ZONES}`)
  const permissions = TOKEN_SCOPES[context.grant.scope]
  return tags.map((tag) => {
    const zone = context.grant.zones.find(({ id }) => id === tag)
    if (zone === undefined || (permissions !== undefined && !permissions.some((name) => name === '#analytics:read'))) {
      throw new GraphQLError(`zone '${tag}' does not have access to the path`, { extensions: { code: 'authz' } })
    }
    return {
      zoneTag: tag,
      settings: context.limits,
      httpRequestsAdaptiveGroups: (args: NodeArgs, _context: unknown, info: GraphQLResolveInfo) =>
        rowsOfNode('httpRequestsAdaptiveGroups', args, info, zone, context),
      httpRequests1hGroups: (args: NodeArgs, _context: unknown, info: GraphQLResolveInfo) =>
        rowsOfNode('httpRequests1hGroups', args, info, zone, context),
      httpRequests1dGroups: (args: NodeArgs, _context: unknown, info: GraphQLResolveInfo) =>
        rowsOfNode('httpRequests1dGroups', args, info, zone, context),
    }
  })
}
