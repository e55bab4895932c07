import { setTimeout as sleep } from 'node:timers/promises'
import type { z } from 'zod'
import type { OperatorOperations } from '../../../domain/contracts/operator-door.ts'
import { parseShredding, type ShreddingCertificate, shreddingOriginOf } from '../../../domain/note/shredding.ts'
import { openNote, unverifiedText } from '../../../domain/note/signed-note.ts'
import { success } from '../../../domain/result.ts'
import { type Answer, type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { askOperatorDoor, OPERATOR_OPTIONS } from '../../operator.ts'
import { findRunFile } from '../../run-file.ts'
import { parseTrust, type Trust } from '../../trust.ts'
import { tenantArgument } from './tenant-argument.ts'

type Deletion = z.output<(typeof OperatorOperations)['tenant-delete']['response']>

const LOOK_EVERY_MS = 2_000
/** Two runs of the verifier and then some. */
const CERTIFICATE_WITHIN_MS = 12 * 60_000

/** Completes what an earlier run began. Ends with the certificate, which the verifier signs once it has seen that nothing is left. */
export const tenantDelete: Command = {
  usage: 'flarewatch tenant delete TENANT --confirm NAME [--trust VKEY] [--vault URL]',
  summary:
    "operator: destroy a tenant's keys and rows for good; its audit log stays, sealed, and a signed certificate says so",
  options: { confirm: { type: 'string' }, trust: { type: 'string' }, ...OPERATOR_OPTIONS },
  positionals: 1,
  async run(args: Arguments) {
    const tenantId = tenantArgument(args)
    const { confirm } = args.values
    if (typeof confirm !== 'string' || confirm === '' || confirm.length > 120) {
      throw new CommandRefused(
        'usage',
        '--confirm takes the name of the tenant, as proof that it is the one',
        EXIT.usage,
      )
    }
    const ask = () => askOperatorDoor(args, 'tenant-delete', { tenant_id: tenantId, confirm })
    const deleted = await untilDeleted(ask)
    process.stderr.write('  nothing of it is left; waiting for the verifier to look and sign\n')
    const note = deleted.certificate ?? (await untilCertified(ask))
    return answerOf(tenantId, note, await judge(note, tenantId, trustOf(args)))
  },
}

async function untilDeleted(ask: () => Promise<Deletion>): Promise<Deletion> {
  for (let erased = 0; ; ) {
    const deletion = await ask()
    if (deletion.state === 'deleted') return deletion
    erased += deletion.erased
    process.stderr.write(`  keys are destroyed; ${erased} rows erased\n`)
  }
}

async function untilCertified(ask: () => Promise<Deletion>): Promise<string> {
  for (const deadline = Date.now() + CERTIFICATE_WITHIN_MS; Date.now() < deadline; await sleep(LOOK_EVERY_MS)) {
    const { certificate } = await ask()
    if (certificate !== null) return certificate
  }
  const message =
    'The tenant is deleted, and the verifier has not certified it yet: look at its incidents, then run this again'
  throw new CommandRefused('certificate_pending', message)
}

/** The key that was named, or that of the stack that runs on this folder. */
function trustOf({ dir, values }: Arguments): Trust | null {
  if (typeof values.trust === 'string') return parseTrust(values.trust)
  const run = values.vault === undefined ? findRunFile(dir) : null
  return run === null ? null : parseTrust(run.log_vkey)
}

type Judged = { readonly certificate: ShreddingCertificate; readonly anchored: boolean }

async function judge(note: string, tenantId: string, trust: Trust | null): Promise<Judged> {
  const text = await textOf(note, trust)
  const parsed = text.ok ? parseShredding(text.value) : text
  const isOf = (origin: string) =>
    trust === null
      ? origin.endsWith(`/${tenantId}/shredding`)
      : origin === shreddingOriginOf(trust.verifier.name, tenantId)
  if (parsed.ok && isOf(parsed.value.origin)) return { certificate: parsed.value, anchored: trust !== null }
  throw new CommandRefused(
    parsed.ok ? 'origin_mismatch' : parsed.code,
    'The certificate is not one that the log’s key signed',
  )
}

async function textOf(note: string, trust: Trust | null) {
  if (trust === null) return unverifiedText(note)
  const opened = await openNote(note, [trust.verifier])
  return opened.ok ? success(opened.value.text) : opened
}

function answerOf(tenantId: string, note: string, { certificate, anchored }: Judged): Answer {
  const { at, backupsUntil, lastSeq, inventory } = certificate
  const document = {
    ok: true,
    tenant_id: tenantId,
    shredded_at: new Date(at).toISOString(),
    backups_until: new Date(backupsUntil).toISOString(),
    last_seq: lastSeq,
    destroyed: {
      deks: inventory.deks.length,
      audit_keys: inventory.audit_keys.length,
      credentials: inventory.credentials.count,
    },
    anchored,
    certificate: note,
  }
  return { document, text: note.trimEnd(), exit: anchored ? EXIT.ok : EXIT.unanchored }
}
