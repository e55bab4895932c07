import { resolve } from 'node:path'
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { type Answer, type Command, CommandRefused, EXIT, type Exit } from './command.ts'
import { auditCheckpoint } from './commands/audit/checkpoint.ts'
import { auditExport } from './commands/audit/export.ts'
import { auditProve } from './commands/audit/prove.ts'
import { auditVerify } from './commands/audit/verify.ts'
import { backupGenerateKey } from './commands/backup/generate-key.ts'
import { backupKeys } from './commands/backup/keys.ts'
import { credentialList } from './commands/credential/list.ts'
import { credentialResync } from './commands/credential/resync.ts'
import { credentialReveal } from './commands/credential/reveal.ts'
import { dlqList } from './commands/dlq/list.ts'
import { dlqReplay } from './commands/dlq/replay.ts'
import { dlqShow } from './commands/dlq/show.ts'
import { incidentsList } from './commands/incidents/list.ts'
import { keysDeny } from './commands/keys/deny.ts'
import { keysGenerate } from './commands/keys/generate.ts'
import { keysRecover } from './commands/keys/recover.ts'
import { keysRetire } from './commands/keys/retire.ts'
import { keysRotate } from './commands/keys/rotate.ts'
import { keysRotateDek } from './commands/keys/rotate-dek.ts'
import { keysStatus } from './commands/keys/status.ts'
import { ledgerAdopt } from './commands/ledger/adopt.ts'
import { ledgerRefeed } from './commands/ledger/refeed.ts'
import { ledgerStatus } from './commands/ledger/status.ts'
import { operatorEnrol } from './commands/operator/enrol.ts'
import { restoreKeys } from './commands/restore/keys.ts'
import { login } from './commands/session/login.ts'
import { logout } from './commands/session/logout.ts'
import { statusShow } from './commands/status/show.ts'
import { tenantDelete } from './commands/tenant/delete.ts'
import { freeze } from './commands/tenant/freeze.ts'
import { tenantTier } from './commands/tenant/tier.ts'
import { unfreeze } from './commands/tenant/unfreeze.ts'

const COMMANDS: Readonly<Record<string, Command>> = {
  login,
  logout,
  'audit checkpoint': auditCheckpoint,
  'audit export': auditExport,
  'audit prove': auditProve,
  'audit verify': auditVerify,
  'incidents list': incidentsList,
  'backup generate-key': backupGenerateKey,
  'backup keys': backupKeys,
  'credential list': credentialList,
  'credential resync': credentialResync,
  'credential reveal': credentialReveal,
  'dlq list': dlqList,
  'dlq replay': dlqReplay,
  'dlq show': dlqShow,
  freeze,
  'keys deny': keysDeny,
  'ledger adopt': ledgerAdopt,
  'ledger refeed': ledgerRefeed,
  'ledger status': ledgerStatus,
  'restore keys': restoreKeys,
  'keys generate': keysGenerate,
  'keys recover': keysRecover,
  'keys retire': keysRetire,
  'keys rotate': keysRotate,
  'keys status': keysStatus,
  'keys rotate-dek': keysRotateDek,
  'operator enrol': operatorEnrol,
  status: statusShow,
  'tenant delete': tenantDelete,
  'tenant tier': tenantTier,
  unfreeze,
}
const EVERYWHERE = {
  data: { type: 'string', default: '.flarewatch' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const satisfies ParseArgsOptionsConfig

export async function main(argv: readonly string[]): Promise<void> {
  const json = argv.includes('--json')
  try {
    const answer = await run(argv)
    process.stdout.write(json ? `${JSON.stringify(answer.document)}\n` : `${answer.text}\n`)
    process.exitCode = answer.exit
  } catch (error) {
    const { code, message, exit } = refusal(error)
    if (json) process.stdout.write(`${JSON.stringify({ ok: false, error: { code, message } })}\n`)
    process.stderr.write(`${code}: ${message}\n`)
    process.exitCode = exit
  }
}

async function run(argv: readonly string[]): Promise<Answer> {
  const name = Object.keys(COMMANDS).find((words) => words.split(' ').every((word, index) => argv[index] === word))
  const command = name === undefined ? undefined : COMMANDS[name]
  if (name === undefined || command === undefined) {
    if (argv.length === 0 || argv.includes('--help')) return help(Object.values(COMMANDS))
    throw new CommandRefused('usage', `There is no such command. ${usageOf(Object.values(COMMANDS))}`, EXIT.usage)
  }
  const { values, positionals } = parseArgs({
    args: argv.slice(name.split(' ').length),
    options: { ...command.options, ...EVERYWHERE },
    allowPositionals: true,
  })
  if (values.help) return help([command])
  if (positionals.length !== command.positionals) {
    throw new CommandRefused('usage', usageOf([command]), EXIT.usage)
  }
  return command.run({ dir: resolve(String(values.data)), values: single(values), positionals })
}

/** Options of ours are given once; of one that is repeated the last holds, as parseArgs has it. */
function single(values: Record<string, unknown>): Record<string, string | boolean | undefined> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, typeof value === 'boolean' ? value : String(value)]),
  )
}

function help(commands: readonly Command[]): Answer {
  const lines = commands.map(({ usage, summary }) => `  ${usage}\n      ${summary}`)
  const text = ['flarewatch', ...lines, '  Everywhere: --data DIR (default .flarewatch), --json'].join('\n')
  return { document: { ok: true, commands: commands.map(({ usage }) => usage) }, text, exit: EXIT.ok }
}

function usageOf(commands: readonly Command[]): string {
  return `Usage: ${commands.map(({ usage }) => usage).join(' | ')}`
}

function refusal(error: unknown): { code: string; message: string; exit: Exit } {
  if (error instanceof CommandRefused) return error
  const message = error instanceof Error ? error.message : String(error)
  const isUsage = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  return isUsage ? { code: 'usage', message, exit: EXIT.usage } : { code: 'failed', message, exit: EXIT.failed }
}
