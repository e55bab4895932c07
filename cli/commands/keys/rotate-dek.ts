import { setTimeout as sleep } from 'node:timers/promises'
import type { z } from 'zod'
import type { OperatorOperations } from '../../../domain/contracts/operator-door.ts'
import { type Answer, type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { askOperatorDoor, OPERATOR_OPTIONS } from '../../operator.ts'
import { tenantArgument } from '../tenant/tenant-argument.ts'

type Standing = z.output<(typeof OperatorOperations)['dek-standing']['response']>

const LOOK_EVERY_MS = 2_000

/** Begins, or goes on with what is under way: records are re-encrypted by the running stack, this command only watches. */
export const keysRotateDek: Command = {
  usage: 'flarewatch keys rotate-dek TENANT [--status] [--vault URL]',
  summary: 'operator: give a tenant a new encryption key, re-encrypt its credentials, destroy the old one',
  options: { status: { type: 'boolean', default: false }, ...OPERATOR_OPTIONS },
  positionals: 1,
  async run(args: Arguments) {
    const request = { tenant_id: tenantArgument(args) }
    const look = () => askOperatorDoor(args, 'dek-standing', request)
    if (args.values.status) return answerOf(request.tenant_id, await look())
    let standing = await askOperatorDoor(args, 'dek-rotate', request)
    for (let shown = -1; standing.state === 'rotating'; standing = await look()) {
      refuseStuck(standing)
      if (standing.behind !== shown) process.stderr.write(`  ${progressOf(standing)}\n`)
      shown = standing.behind
      await sleep(LOOK_EVERY_MS)
    }
    return answerOf(request.tenant_id, standing)
  },
}

/** What waiting cannot mend is told; the rotation itself goes on trying. */
function refuseStuck({ behind, failing }: Standing): void {
  if (behind === 0 || failing < behind) return
  const message = `${failing} credentials could not be re-encrypted and are tried again in 15 minutes; the old key stays until then`
  throw new CommandRefused('records_failing', message)
}

function progressOf({ credentials, behind, version }: Standing): string {
  return `${credentials - behind} of ${credentials} credentials are under version ${version}`
}

function answerOf(tenantId: string, standing: Standing): Answer {
  const end = standing.state === 'settled' ? 'and it is the only one' : `beside ${standing.versions.length - 1} older`
  return {
    document: { ok: true, tenant_id: tenantId, ...standing },
    text: `${progressOf(standing)}, ${end}`,
    exit: EXIT.ok,
  }
}
