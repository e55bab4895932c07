import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { type Agency, foundAgency } from '../agency.ts'
import { pick, type Random } from '../random.ts'
import { fireCron, issueToken, until, untilPolled } from '../stack.ts'
import { flipped } from './log-rows.ts'
import type { Scale } from './report.ts'
import { type Place, whileDown } from './storage.ts'
import type { Superuser } from './superuser.ts'

/** One thing done to a stored credential, the poll that met it, and the poll after it was undone. */
export type VaultCase = { readonly kind: string; readonly tries: number; readonly refused: number; readonly ms: number }

type Parts = { readonly salt: Uint8Array; readonly ciphertext: Uint8Array; readonly wrapped_dek: Uint8Array }
type Holder = { readonly agency: Agency; readonly credentialId: string; readonly parts: Parts }
/** What the caller of a poll, and whoever looks at the credential, gets to see. */
type Seen = {
  readonly state: string
  readonly run_state: string
  readonly run_reason: string | null
  readonly credential: string
  readonly reason: string | null
  readonly incidents: number
  readonly facts: number
}

const COLUMNS = ['salt', 'ciphertext', 'wrapped_dek'] as const
const FULL_ROUNDS = 5
const POLL_CRON = '* * * * *'
const THROTTLED_PAUSE_MS = 5_000

/**
 * The vault's side: stored credentials corrupted on the running stack. Each poll must fail, each in the same words, store nothing, and go
 * well again once the record is put back. Every byte is tried in `workers/vault/corruption.test.ts`; here is the whole road,
 * at CI's scale with one of each sort.
 */
export async function corruptVault(
  place: Place,
  superuser: Superuser,
  { scale, random }: { readonly scale: Scale; readonly random: Random },
): Promise<{ readonly cases: readonly VaultCase[]; readonly findings: readonly string[] }> {
  const [first, second] = [await storedCredential(place, superuser), await storedCredential(place, superuser)]
  const road = new Road(place, superuser, first)
  if (scale === 'ci') {
    const column = pick(COLUMNS, random)
    await road.tryFlipped(column, random)
    await road.try(`${column} of another tenant`, { ...first.parts, [column]: second.parts[column] })
    await road.tryOtherShare(random)
    return { cases: road.cases(), findings: road.findings }
  }
  for (let round = 1; round <= FULL_ROUNDS; round += 1) {
    for (const column of COLUMNS) {
      await road.tryFlipped(column, random)
      await road.try(`${column} of another tenant`, { ...first.parts, [column]: second.parts[column] })
    }
    await road.try('the whole record of another tenant', second.parts)
    await road.tryOtherShare(random)
  }
  return { cases: road.cases(), findings: road.findings }
}

class Road {
  readonly findings: string[] = []
  readonly #place: Place
  readonly #superuser: Superuser
  readonly #holder: Holder
  readonly #tries: { readonly kind: string; readonly refused: boolean; readonly ms: number }[] = []
  #words: string | null = null

  constructor(place: Place, superuser: Superuser, holder: Holder) {
    this.#place = place
    this.#superuser = superuser
    this.#holder = holder
  }

  async try(kind: string, parts: Parts): Promise<void> {
    await this.#set(parts)
    await this.#refusedPoll(kind)
    await this.#set(this.#holder.parts)
    await this.#goodPoll(kind)
  }

  async tryFlipped(column: (typeof COLUMNS)[number], random: Random): Promise<void> {
    const { parts } = this.#holder
    const changed = flipped(parts[column], random(parts[column].length))
    await this.try(`a byte of ${column} flipped`, { ...parts, [column]: changed })
  }

  async tryOtherShare(random: Random): Promise<void> {
    const kind = "a byte of the tenant's share flipped"
    const position = random(32)
    await this.#flipShare(position)
    await this.#refusedPoll(kind)
    await this.#flipShare(position)
    await this.#goodPoll(kind)
  }

  cases(): VaultCase[] {
    return [...Map.groupBy(this.#tries, ({ kind }) => kind)].map(([kind, tries]) => ({
      kind,
      tries: tries.length,
      refused: tries.filter(({ refused }) => refused).length,
      ms: Math.max(...tries.map(({ ms }) => ms)),
    }))
  }

  /** Refused, with nothing stored, and in the words in which every other corruption was. */
  async #refusedPoll(kind: string): Promise<void> {
    const before = await this.#facts()
    const began = performance.now()
    const seen = await this.#poll()
    const ms = Math.round(performance.now() - began)
    const words = JSON.stringify({ ...seen, facts: seen.facts - before })
    this.#words ??= words
    const refused = seen.run_reason === 'not_openable' && seen.state === 'failed' && seen.facts === before
    this.#tries.push({ kind, refused, ms })
    if (!refused) this.findings.push(`vault: ${kind}: the poll ended as ${words}`)
    if (words !== this.#words) this.findings.push(`vault: ${kind}: told apart, as ${words} and not ${this.#words}`)
  }

  async #goodPoll(kind: string): Promise<void> {
    const { state, run_reason } = await this.#poll()
    if (state !== 'done') this.findings.push(`vault: ${kind}: put back, and the poll still ends as ${run_reason}`)
  }

  /** Again while the credential's own limiter puts it off, which it does before the vault is asked for anything. */
  async #poll(): Promise<Seen> {
    let seen: Seen
    do {
      await this.#pollOnce()
      seen = await this.#seen()
      if (seen.run_state === 'throttled') await wait(THROTTLED_PAUSE_MS)
    } while (seen.run_state === 'throttled')
    return seen
  }

  async #pollOnce(): Promise<void> {
    const { credentialId } = this.#holder
    const { sql } = this.#superuser
    const [newest] =
      await sql`select count(*)::int as count from flarewatch.jobs where credential_id = ${credentialId} and kind = 'poll'`
    await sql`delete from flarewatch.incidents where tenant_id = ${this.#holder.agency.tenantId} and part = 'connector'`
    await sql`update flarewatch.credentials set next_poll_at = '-infinity' where id = ${credentialId}`
    await fireCron(this.#place.run, 'scheduler', POLL_CRON)
    await until(async () => {
      const [ended] = await sql`
        select count(*)::int as count from flarewatch.jobs
        where credential_id = ${credentialId} and kind = 'poll' and state not in ('leased')`
      return ended?.count > newest?.count
    }, 'the poll has ended')
  }

  async #seen(): Promise<Seen> {
    const { credentialId, agency } = this.#holder
    const [seen] = await this.#superuser.sql<Seen[]>`
      select job.state, job.run_state, job.reason as run_reason, credential.state as credential, credential.reason,
        (select count(*)::int from flarewatch.incidents where tenant_id = ${agency.tenantId}
          and part = 'connector' and kind = 'credential_not_openable') as incidents,
        (select count(*)::int from flarewatch.facts_hourly where tenant_id = ${agency.tenantId}) as facts
      from flarewatch.jobs job join flarewatch.credentials credential on credential.id = job.credential_id
      where credential.id = ${credentialId} and job.kind = 'poll' order by job.finished_at desc nulls last, job.created_at desc limit 1`
    if (seen === undefined) throw new Error('the credential has no job')
    return seen
  }

  async #facts(): Promise<number> {
    return (await this.#seen()).facts
  }

  async #set({ salt, ciphertext, wrapped_dek }: Parts): Promise<void> {
    await this.#superuser.sql`
      update flarewatch.credentials set salt = ${salt}, ciphertext = ${ciphertext}, wrapped_dek = ${wrapped_dek}
      where id = ${this.#holder.credentialId}`
  }

  /** A second time puts it back. */
  #flipShare(position: number): Promise<void> {
    const { tenantId } = this.#holder.agency
    return whileDown(
      this.#place,
      () => this.#superuser.isFree(),
      async (storage) =>
        storage.edit(storage.ledgerFile(tenantId), (database) => {
          const row = database.prepare('select release_share as share from ledger').get()
          if (!(row?.share instanceof Uint8Array)) throw new Error('the ledger has no share')
          database.prepare('update ledger set release_share = ?').run(flipped(row.share, position))
        }),
    )
  }
}

async function storedCredential({ run }: Place, { sql }: Superuser): Promise<Holder> {
  const agency = await foundAgency(run)
  const stored = await agency.store(await issueToken(run))
  if (stored.status !== 200) throw new Error(`credential-store: ${stored.status} ${stored.text}`)
  await fireCron(run, 'scheduler', POLL_CRON)
  await untilPolled(agency.owner)
  await withoutHistory(sql, agency.tenantId)
  const [row] = await sql<(Parts & { id: string })[]>`
    select id, salt, ciphertext, wrapped_dek from flarewatch.credentials where tenant_id = ${agency.tenantId}`
  if (row === undefined) throw new Error('the credential was not stored')
  const { id, salt, ciphertext, wrapped_dek } = row
  return { agency, credentialId: id, parts: { salt, ciphertext, wrapped_dek } }
}

/** Only polls store for it from then on: what is counted is what a poll with corrupted parts stored. */
async function withoutHistory(sql: Superuser['sql'], tenantId: string): Promise<void> {
  await sql`update flarewatch.backfills set state = 'stopped', finished_at = now() where tenant_id = ${tenantId} and state = 'open'`
  await until(async () => {
    const leased = await sql`select from flarewatch.jobs where tenant_id = ${tenantId} and state = 'leased'`
    return leased.length === 0
  }, 'no job reads its history')
}
