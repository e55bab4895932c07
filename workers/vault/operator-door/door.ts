import {
  OPERATOR_DOOR_PATH,
  OPERATOR_ERRORS,
  type OperatorErrorCode,
  type OperatorOperation,
  OperatorOperations,
} from '../../../domain/contracts/operator-door.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { readBounded } from '../../runtime/bounded-body.ts'
import { errorResponse } from '../../runtime/error-response.ts'
import { log } from '../../runtime/log.ts'
import { PART } from '../call.ts'
import { parsedRequest, parseJson } from '../door-request.ts'
import type { Visit } from '../visit.ts'
import { backupKey, backupTenant } from './backup.ts'
import { dekRotate } from './dek-rotate.ts'
import { dekStandingNow } from './dek-standing.ts'
import { kekEscrow } from './kek-escrow.ts'
import { kekCensus, kekRetire } from './kek-retire.ts'
import { kekRows } from './kek-rows.ts'
import { kekAdmit, kekDeny, kekDrain, kekProbe, kekPromote, kekRewrap } from './kek-states.ts'
import { kekStatus } from './kek-status.ts'
import { ledgerAdopt } from './ledger-adopt.ts'
import { ledgerRefeed } from './ledger-refeed.ts'
import { ledgerStatus } from './ledger-status.ts'
import { verifyOperatorToken } from './operator-token.ts'
import { restoreOffer, restoreTenant } from './restore.ts'
import { rosterList } from './roster-list.ts'
import { tenantDelete } from './tenant-delete.ts'
import { tenantFreeze } from './tenant-freeze.ts'
import { tenantTier } from './tenant-tier.ts'
import { tenantUnfreeze } from './tenant-unfreeze.ts'

const MAX_BODY_BYTES = 64 * 1024

type Performed = (visit: Visit, body: unknown) => Promise<Result<object, OperatorErrorCode>>

const OPERATIONS: Record<OperatorOperation, Performed> = {
  'backup-key': parsedRequest(OperatorOperations['backup-key'].request, backupKey),
  'backup-tenant': parsedRequest(OperatorOperations['backup-tenant'].request, backupTenant),
  'ledger-adopt': parsedRequest(OperatorOperations['ledger-adopt'].request, ledgerAdopt),
  'ledger-refeed': parsedRequest(OperatorOperations['ledger-refeed'].request, ledgerRefeed),
  'ledger-status': parsedRequest(OperatorOperations['ledger-status'].request, ledgerStatus),
  'restore-offer': parsedRequest(OperatorOperations['restore-offer'].request, restoreOffer),
  'restore-tenant': parsedRequest(OperatorOperations['restore-tenant'].request, restoreTenant),
  'roster-list': parsedRequest(OperatorOperations['roster-list'].request, rosterList),
  'tenant-freeze': parsedRequest(OperatorOperations['tenant-freeze'].request, tenantFreeze),
  'dek-rotate': parsedRequest(OperatorOperations['dek-rotate'].request, dekRotate),
  'dek-standing': parsedRequest(OperatorOperations['dek-standing'].request, dekStandingNow),
  'tenant-delete': parsedRequest(OperatorOperations['tenant-delete'].request, tenantDelete),
  'tenant-tier': parsedRequest(OperatorOperations['tenant-tier'].request, tenantTier),
  'tenant-unfreeze': parsedRequest(OperatorOperations['tenant-unfreeze'].request, tenantUnfreeze),
  'kek-status': parsedRequest(OperatorOperations['kek-status'].request, kekStatus),
  'kek-admit': parsedRequest(OperatorOperations['kek-admit'].request, kekAdmit),
  'kek-probe': parsedRequest(OperatorOperations['kek-probe'].request, kekProbe),
  'kek-promote': parsedRequest(OperatorOperations['kek-promote'].request, kekPromote),
  'kek-rewrap': parsedRequest(OperatorOperations['kek-rewrap'].request, kekRewrap),
  'kek-deny': parsedRequest(OperatorOperations['kek-deny'].request, kekDeny),
  'kek-drain': parsedRequest(OperatorOperations['kek-drain'].request, kekDrain),
  'kek-rows': parsedRequest(OperatorOperations['kek-rows'].request, kekRows),
  'kek-escrow': parsedRequest(OperatorOperations['kek-escrow'].request, kekEscrow),
  'kek-census': parsedRequest(OperatorOperations['kek-census'].request, kekCensus),
  'kek-retire': parsedRequest(OperatorOperations['kek-retire'].request, kekRetire),
}

/** The platform operator's door: nothing is parsed, and no operation reached, before the operator's proof for this request. */
export async function operatorDoor(request: Request, visit: Visit): Promise<Response> {
  const operation = operationOf(request)
  const answer = operation.ok ? await enter(request, visit, operation.value) : operation
  const op = operation.ok ? operation.value : 'unknown'
  if (answer.ok) {
    log(PART, 'info', 'operator_door', { request_id: visit.requestId, op, status: 200 })
    return Response.json(answer.value, { headers: { 'cache-control': 'no-store' } })
  }
  const { code } = answer
  const status = OPERATOR_ERRORS[code]
  log(PART, 'warn', 'operator_door', { request_id: visit.requestId, op, status, code })
  return errorResponse({ code, status, message: `refused: ${code}`, requestId: visit.requestId })
}

function operationOf(request: Request): Result<OperatorOperation, OperatorErrorCode> {
  const { pathname } = new URL(request.url)
  const name = pathname.slice(OPERATOR_DOOR_PATH.length)
  return request.method === 'POST' && isOperation(name) ? success(name) : failure('operation_unknown')
}

function isOperation(name: string): name is OperatorOperation {
  return Object.hasOwn(OperatorOperations, name)
}

async function enter(
  request: Request,
  visit: Visit,
  operation: OperatorOperation,
): Promise<Result<object, OperatorErrorCode>> {
  const body = await readBounded(request.body, MAX_BODY_BYTES)
  if (!body.ok) return body
  const proof = { operation, body: body.value }
  const operator = await verifyOperatorToken(visit, request.headers.get('authorization'), proof)
  if (!operator.ok) return operator
  return OPERATIONS[operation](visit, parseJson(body.value))
}
