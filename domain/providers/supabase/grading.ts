import { success } from '../../result.ts'
import type { Ask, Grading, Judgement, Probe, ProbeResult } from '../grade.ts'
import { DATABASE_QUERY } from './queries.ts'
import { isActive, type Project, Projects, queryPath } from './schemas.ts'
import { judgeTokenShape, type TokenKind } from './token.ts'

/** More projects than this behind one token are not read; its scope then says so. */
const MAX_SITES = 50
/** As they stand on Supabase's page where a token is made. */
const READ_PROJECTS = 'Projects (account-wide): Read'
const READ_DATABASE = 'Database: Read'

export const supabaseGrading: Grading = {
  judgeShape: (secret) => {
    const shape = judgeTokenShape(secret)
    return shape.ok ? success((ask: Ask) => probe(ask, shape.value)) : shape
  },
}

async function probe(ask: Ask, kind: TokenKind): Promise<ProbeResult> {
  const answer = await ask({ method: 'GET', path: '/v1/projects' })
  if (!answer.ok) return answer
  if (answer.value.status !== 200) return refused(answer.value.status, READ_PROJECTS)
  const projects = Projects.safeParse(answer.value.value)
  if (!projects.success) return { ok: false, code: 'provider_unreachable' }
  if (projects.data.length === 0) return { ok: false, code: 'credential_without_zones' }
  const refusal = await probeDatabase(ask, projects.data)
  return refusal ?? { ok: true, value: judged(projects.data, kind) }
}

/** Of one project: a token's permissions are the same for all that it reaches. A paused one has no database to ask. */
async function probeDatabase(ask: Ask, projects: readonly Project[]): Promise<ProbeResult | undefined> {
  const project = projects.find(isActive)
  if (project === undefined) return undefined
  const body = JSON.stringify({ query: DATABASE_QUERY })
  const headers = { 'content-type': 'application/json' }
  const answer = await ask({ method: 'POST', path: queryPath(project.ref), headers, body })
  if (!answer.ok) return answer
  const { status } = answer.value
  return status === 401 || status === 403 || status === 429 ? refused(status, READ_DATABASE) : undefined
}

/** A permission that is missing is a 403; a token that is not, or no longer, one of Supabase's a 401. */
function refused(status: number, permission: string): ProbeResult {
  switch (status) {
    case 401:
      return { ok: false, code: 'credential_rejected' }
    case 403:
      return { ok: false, code: 'credential_lacks_permission', permissions: [permission] }
    case 429:
      return { ok: false, code: 'provider_rate_limited' }
    default:
      return { ok: false, code: 'provider_unreachable' }
  }
}

function judged(projects: readonly Project[], kind: TokenKind): Probe {
  const read = projects.slice(0, MAX_SITES)
  const counted = `${read.length} ${read.length === 1 ? 'project' : 'projects'}`
  const reach = read.length < projects.length ? `the first ${counted}` : counted
  const { scope, ...judgement } = JUDGEMENTS[kind]
  return {
    ...judgement,
    scope: `${reach}: ${scope}`,
    sites: read.map(({ ref, name }) => ({ id: ref, name, timeZone: 'UTC' })),
  }
}

/** Supabase lists for no token what it may, so only its kind can be judged. */
const JUDGEMENTS: { readonly [Kind in TokenKind]: Judgement } = {
  classic: {
    grade: 'over_scoped',
    scope: 'a classic token, which may do everything that its user may',
    can: ['everything its user may'],
    excess: ['change, pause and delete projects', 'run any SQL', 'read API keys', 'manage organizations'],
  },
  scoped: {
    grade: 'not_proven_read_only',
    scope: 'a scoped token, for which Supabase does not list what else it may',
    can: ['read projects', 'read databases'],
    excess: [],
  },
}
