import { z } from 'zod'
import {
  EDGE_DOOR_PATH,
  EDGE_ERRORS,
  type EdgeOperation,
  EdgeOperations,
  REQUEST_ID_HEADER,
  STEP_UP_HEADER,
  USER_JWT_HEADER,
} from '../../../domain/contracts/edge-door.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { readBounded } from '../../runtime/bounded-body.ts'
import { errorResponse } from '../../runtime/error-response.ts'
import { log } from '../../runtime/log.ts'
import { PART } from '../call.ts'
import { parsedRequest, parseJson } from '../door-request.ts'
import { verifyToken, verifyUser } from '../user-token.ts'
import type { Visit } from '../visit.ts'
import { actBegin } from './act-begin.ts'
import { consoleBegin } from './console-begin.ts'
import { consoleOpen } from './console-open.ts'
import { credentialOpen } from './credential-open.ts'
import { credentialReveal } from './credential-reveal.ts'
import { credentialSeal } from './credential-seal.ts'
import { memberJoin } from './member-join.ts'
import type { EdgeRefusal, EdgeVisit } from './operation.ts'
import { operatorKeyEnrol, operatorKeyList, operatorKeyRemove } from './operator-key.ts'
import { recoveryBegin } from './recovery-begin.ts'
import { revealCollect, revealDeliver } from './reveal-answer.ts'
import { verifyServiceToken } from './service-token.ts'
import { settle } from './settle.ts'
import { stepUpMint } from './step-up-mint.ts'
import { tenantActivate } from './tenant-activate.ts'
import { tenantPrepare } from './tenant-prepare.ts'
import { withdrawBegin } from './withdraw-begin.ts'

/** Ids, short words and one kept statement, in which JSON may double every byte: no request of this door is longer. */
const MAX_BODY_BYTES = 12 * 1024

type Performed = (visit: EdgeVisit, body: unknown) => Promise<Result<object, EdgeRefusal>>

const OPERATIONS: Record<EdgeOperation, Performed> = {
  'tenant-prepare': parsedRequest(EdgeOperations['tenant-prepare'].request, tenantPrepare),
  'tenant-activate': parsedRequest(EdgeOperations['tenant-activate'].request, tenantActivate),
  'step-up-mint': parsedRequest(EdgeOperations['step-up-mint'].request, stepUpMint),
  'act-begin': parsedRequest(EdgeOperations['act-begin'].request, actBegin),
  'withdraw-begin': parsedRequest(EdgeOperations['withdraw-begin'].request, withdrawBegin),
  'member-join': parsedRequest(EdgeOperations['member-join'].request, memberJoin),
  'recovery-begin': parsedRequest(EdgeOperations['recovery-begin'].request, recoveryBegin),
  'console-begin': parsedRequest(EdgeOperations['console-begin'].request, consoleBegin),
  'console-open': parsedRequest(EdgeOperations['console-open'].request, consoleOpen),
  'credential-seal': parsedRequest(EdgeOperations['credential-seal'].request, credentialSeal),
  'operator-key-enrol': parsedRequest(EdgeOperations['operator-key-enrol'].request, operatorKeyEnrol),
  'operator-key-list': parsedRequest(EdgeOperations['operator-key-list'].request, operatorKeyList),
  'operator-key-remove': parsedRequest(EdgeOperations['operator-key-remove'].request, operatorKeyRemove),
  'credential-reveal': parsedRequest(EdgeOperations['credential-reveal'].request, credentialReveal),
  'reveal-deliver': parsedRequest(EdgeOperations['reveal-deliver'].request, revealDeliver),
  'reveal-collect': parsedRequest(EdgeOperations['reveal-collect'].request, revealCollect),
  'credential-open': parsedRequest(EdgeOperations['credential-open'].request, credentialOpen),
  settle: parsedRequest(EdgeOperations.settle.request, settle),
}

/** Recovery is done without a second factor; what else these two do, they refuse below AAL2 themselves. */
const REACHED_AT_AAL1: ReadonlySet<EdgeOperation> = new Set(['recovery-begin', 'settle'])

/** The Edge Functions' door. Three proofs are judged before an operation is reached: the service's, the user's in a session that is live, and AAL2. */
export async function edgeDoor(request: Request, arrived: Visit): Promise<Response> {
  const visit = { ...arrived, requestId: callersRequestId(request) ?? arrived.requestId }
  const operation = operationOf(request)
  const answer = operation.ok ? await enter(request, visit, operation.value) : operation
  const op = operation.ok ? operation.value : 'unknown'
  if (answer.ok) {
    log(PART, 'info', 'edge_door', { request_id: visit.requestId, op, status: 200 })
    return Response.json(answer.value, { headers: { 'cache-control': 'no-store' } })
  }
  const { code } = answer
  const status = EDGE_ERRORS[code]
  log(PART, 'warn', 'edge_door', { request_id: visit.requestId, op, status, code })
  return errorResponse({ code, status, message: `refused: ${code}`, requestId: visit.requestId })
}

/** The function's own, when it has the form of one: it goes into logs, and so nothing else is taken. */
function callersRequestId(request: Request): string | undefined {
  return z.uuid().safeParse(request.headers.get(REQUEST_ID_HEADER)).data
}

function operationOf(request: Request): Result<EdgeOperation, EdgeRefusal> {
  const { pathname } = new URL(request.url)
  const name = pathname.slice(EDGE_DOOR_PATH.length)
  return request.method === 'POST' && isOperation(name) ? success(name) : failure('operation_unknown')
}

function isOperation(name: string): name is EdgeOperation {
  return Object.hasOwn(EdgeOperations, name)
}

async function enter(request: Request, visit: Visit, operation: EdgeOperation): Promise<Result<object, EdgeRefusal>> {
  const body = await readBounded(request.body, MAX_BODY_BYTES)
  if (!body.ok) return body
  const service = await verifyServiceToken(visit, request.headers.get('authorization'), { operation, body: body.value })
  if (!service.ok) return service
  // An act that has begun is told to its end, also when its session was ended meanwhile.
  const verify = operation === 'settle' ? verifyToken : verifyUser
  const user = await verify(visit, request.headers.get(USER_JWT_HEADER) ?? '')
  if (!user.ok) return user
  if (user.value.aal !== 'aal2' && !REACHED_AT_AAL1.has(operation)) return failure('aal2_required')
  const stepUpToken = request.headers.get(STEP_UP_HEADER)
  return OPERATIONS[operation]({ ...visit, user: user.value, stepUpToken }, parseJson(body.value))
}
