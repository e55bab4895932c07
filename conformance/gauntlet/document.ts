import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Report, type Try, variantsOf } from './report.ts'

const DOCUMENT = join(import.meta.dirname, '../../docs/gauntlet.md')

/** Asked before the run: the one that its code is of. A checkout without its history has none. */
export function currentCommit(): string | null {
  const { status, stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : null
}

/** docs/gauntlet.md: what was tried, and what came of it. Written by a run that saw everything. */
export function writeDocument(report: Report, tries: readonly Try[], commit: string | null): void {
  const lines = variantsOf(tries).map(
    ({ kind, variant, tries, detected, by, named, ms }) =>
      `| ${kind} | ${variant} | ${tries} | ${detected} | ${by}: ${named.map((name) => `\`${name}\``).join(', ')} | ${ms} |`,
  )
  writeFileSync(
    DOCUMENT,
    `${INTRODUCTION}\n${resultOf(report, commit)}\n\n${HEADING}\n${lines.join('\n')}\n\n${vaultOf(report)}\n${LIMITS}`,
  )
}

function resultOf(
  { seed, scale, tenants, rows, cases, untouched_runs, false_alarms }: Report,
  commit: string | null,
): string {
  const tried = cases.reduce((sum, { tries }) => sum + tries, 0)
  const seen = cases.reduce((sum, { detected }) => sum + detected, 0)
  const ran = `Scale ${scale}, seed ${seed}, commit ${commit ?? 'unknown'}: ${tenants} tenants with ${rows.toLocaleString('en')} rows`
  const outcome = `${seen} of ${tried} forgeries were raised, with ${false_alarms} false alarms`
  return `${ran}. **${outcome}** in ${untouched_runs} runs over untouched logs and one run after each forgery was undone.`
}

function vaultOf({ vault }: Report): string {
  const lines = vault.map(({ kind, tries, refused, ms }) => `| ${kind} | ${tries} | ${refused} | ${ms} |`)
  return `${VAULT}\n${lines.join('\n')}\n`
}

const VAULT = `## Stored credentials, corrupted

In the same run. Each poll that met one ended in the same words, with an incident by the connector and no figure stored, and went well again once
the record was put back; \`ms\` is the slowest poll. Every single byte is tried in [corruption.test.ts](../workers/vault/corruption.test.ts).

| corrupted | tries | refused | ms |
|---|---|---|---|`

const HEADING = `\`ms\` is the median from the forgery to the moment at which it was raised, with the verifier started at once; by itself it starts every five
minutes for logs that grew and at 02:15 UTC for all.

| forged | how | tries | raised | by, as | ms |
|---|---|---|---|---|---|`

const INTRODUCTION = `# The gauntlet

\`npm run gauntlet -- --scale full\` writes this page. On a running stack it forges audit logs as a Postgres superuser whom no trigger and no policy
stops, and as somebody who can edit the files of the Durable Objects and of R2, one forgery at a time, at seeded random places. *Raised* means
that the running verifier stored an incident that names what was done and the first sequence number that is wrong; where both sides were
forged together and the verifier has nothing left to compare with, that \`flarewatch audit prove\` refused the log, on a machine that had pinned a
checkpoint before. Then the forgery is undone, and the next run of the verifier has to be quiet about it. The command knows a stack by its
\`run.json\`, imports none of the product's code, and computes its hashes from [formats](formats.md).
`

const LIMITS = `## What cannot be seen

- **Row-level security or triggers off and on again** change no row. The verifier keeps the row versions (\`xmin\`) of what guards the log in the
  catalogue, in R2, and raises \`guards_changed\` when one differs from the run before: that somebody altered them, not what they did meanwhile;
  if a row changed, that is raised as well. It has no sequence number. A migration that alters a guard raises it once too. Whoever writes
  Postgres' files directly leaves no new row version; what they do to rows is still raised.
- **A pointer to the newest receipt that is set back** to one of since the last night looks as if a run had broken off, and is mended. Set back further
  it is raised.
- **\`received_at\`** is covered by no hash: a hint that nothing relies on.
- **Both sides forged together, with every receipt of ours**: only somebody who kept a checkpoint can tell. Command line and dashboard pin the last that
  they saw.
- **Rows that were never appended**, by a vault that was changed to release without a row: no log shows what was not written into it
  ([threat model](threat-model.md)).
`
