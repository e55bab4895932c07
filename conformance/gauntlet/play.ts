import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { pick, type Random } from '../random.ts'
import { addRows } from './agencies.ts'
import type { Expected, Forged, Forgery, Scene, Target } from './forgery.ts'
import { PinnedClient } from './pinned-client.ts'
import type { Try } from './report.ts'
import { type Place, type Storage, whileDown } from './storage.ts'
import { NIGHTLY, type Raised, type Watch, words } from './watch.ts'

/** A run of the verifier may go on after the cron that began it. */
const DETECTION_DEADLINE_MS = 20_000
const LOOK_EVERY_MS = 50
/** Whoever changes rows in spite of their guards has to switch these off for a moment, and whoever undoes it too. */
const GUARDS_CHANGED = 'guards_changed'

type Pending = { readonly forgery: Forgery; readonly undo: Forged['undo'] }

/** Forges one thing after another on a running stack. While one is being forged the one before it is undone. */
export class Gauntlet {
  readonly tries: Try[] = []
  readonly findings: string[] = []
  falseAlarms = 0
  readonly #place: Place
  readonly #scene: Scene
  readonly #watch: Watch
  readonly #say: (line: string) => void
  readonly #clients = new Map<string, PinnedClient>()
  #pending: Pending | null = null
  #last: Target | null = null

  constructor(place: Place, scene: Scene, watch: Watch, say: (line: string) => void) {
    this.#place = place
    this.#scene = scene
    this.#watch = watch
    this.#say = say
  }

  async pinAll(): Promise<void> {
    for (const { agency, tenantId } of this.#scene.targets) {
      const client = new PinnedClient(agency, this.#place.run)
      this.#clients.set(tenantId, client)
      await client.look()
    }
  }

  /**
   * Undoes the forgery before, forges this one at another tenant, and lets the verifier run. What it raises must be this one and
   * nothing else: so each run also shows that the one before was undone, and is quiet again.
   */
  async play(forgery: Forgery, random: Random): Promise<void> {
    const target = pick(
      this.#scene.targets.filter((one) => one !== this.#last),
      random,
    )
    this.#last = target
    const forged = await this.#exchange(forgery, target, random)
    const began = performance.now()
    const raised = await this.#raisedBy(forged.expected)
    const missing = await this.#missing(forged.expected, raised)
    const ms = Math.round(performance.now() - began)
    await this.#watch.forget(raised)
    this.#judge(forgery, forged.expected, { raised, missing, ms })
  }

  /** The end: all undone, the verifier quiet, every log growing and signed on, every pin content. */
  async close(): Promise<void> {
    await this.#undo()
    // The undoing switched the guards off for a moment; from then on nothing is touched.
    const last = await this.#watch.fire(NIGHTLY)
    this.#alarm(
      'undone',
      last.filter(({ kind }) => kind !== GUARDS_CHANGED),
    )
    await this.#watch.forget(last)
    const { sql } = this.#scene.superuser
    for (const { agency, tenantId } of this.#scene.targets) {
      const size = await addRows(sql, agency, 1)
      this.#alarm('undone', await this.#watch.fire(NIGHTLY))
      const receipt = await (await fetch(`${this.#place.run.gateway_url}/receipts/${tenantId}`)).text()
      if (receipt.split('\n')[1] !== String(size))
        this.findings.push(`undone: ${tenantId} is not signed at ${size} rows`)
      const refused = await this.#clients.get(tenantId)?.check()
      if (refused !== null) this.findings.push(`undone: the pinned client of ${tenantId} says ${refused}`)
    }
  }

  /** Whatever happened, what is forged is undone. */
  async leave(): Promise<void> {
    await this.#undo()
    for (const client of this.#clients.values()) client.remove()
  }

  async #exchange(forgery: Forgery, target: Target, random: Random): Promise<Forged> {
    const pending = this.#pending
    const exchange = async (storage: Storage | null) => {
      await pending?.undo(storage)
      this.#pending = null
      const forged = await forgery.forge(this.#scene, target, random, storage)
      this.#pending = { forgery, undo: forged.undo }
      return forged
    }
    return this.#withStorage(forgery.down || pending?.forgery.down === true, exchange)
  }

  async #undo(): Promise<void> {
    const pending = this.#pending
    if (pending === null) return
    await this.#withStorage(pending.forgery.down, pending.undo)
    this.#pending = null
  }

  #withStorage<Value>(down: boolean, act: (storage: Storage | null) => Promise<Value>): Promise<Value> {
    return down ? whileDown(this.#place, () => this.#scene.superuser.isFree(), act) : act(null)
  }

  /** Fires the verifier, and looks until all that is expected of it was raised. */
  async #raisedBy(expected: readonly Expected[]): Promise<Raised[]> {
    const raised = await this.#watch.fire(NIGHTLY)
    const isComplete = () => expected.every((one) => one.by === 'client' || raised.some((news) => isOf(news, one)))
    for (const deadline = Date.now() + DETECTION_DEADLINE_MS; !isComplete() && Date.now() < deadline; ) {
      await sleep(LOOK_EVERY_MS)
      raised.push(...(await this.#watch.news()))
    }
    return raised
  }

  async #missing(expected: readonly Expected[], raised: readonly Raised[]): Promise<Expected[]> {
    const missing: Expected[] = []
    for (const one of expected) {
      const refused = one.by === 'client' ? await this.#clients.get(one.tenantId ?? '')?.check() : null
      const seen =
        one.by === 'client' ? one.names.some(({ kind }) => kind === refused) : raised.some((news) => isOf(news, one))
      if (!seen) missing.push(one)
    }
    return missing
  }

  #judge(
    { kind, variant }: Forgery,
    expected: readonly Expected[],
    { raised, missing, ms }: { raised: readonly Raised[]; missing: readonly Expected[]; ms: number },
  ): void {
    const detected = missing.length === 0
    const by = expected.every((one) => one.by === 'client') ? 'client' : 'verifier'
    const named =
      by === 'client'
        ? expected.flatMap(({ names }) => names.map(({ kind }) => kind))
        : raised.filter((news) => expected.some((one) => isOf(news, one))).map((news) => news.kind)
    this.tries.push({ kind, variant, detected, ms, by, named })
    const title = `${kind}: ${variant}`
    this.#say(`${detected ? 'seen  ' : 'MISSED'} ${title} (${ms} ms${detected ? `, ${named.join(', ')}` : ''})`)
    for (const one of missing) {
      const others = raised.filter(({ tenant_id }) => tenant_id === one.tenantId).map(words)
      this.findings.push(
        `${title}: expected ${one.names.map(({ kind, seq }) => `${kind} at ${seq}`).join(' or ')}, got ${others.join('; ') || 'nothing'}`,
      )
    }
    this.#alarm(title, raised, expected)
  }

  #alarm(title: string, raised: readonly Raised[], expected: readonly Expected[] = []): void {
    for (const alarm of raised.filter((news) => this.#isAlarm(news, expected))) {
      this.falseAlarms += 1
      this.findings.push(`${title}: also raised ${words(alarm)}`)
    }
  }

  /** What is true of the tenant that was forged is no false alarm, by whatever name. */
  #isAlarm({ tenant_id, kind }: Raised, expected: readonly Expected[]): boolean {
    if (tenant_id === null && kind === GUARDS_CHANGED) return expected.length === 0
    return !expected.some((one) => one.tenantId === tenant_id)
  }
}

function isOf(raised: Raised, { tenantId, names }: Expected): boolean {
  return raised.tenant_id === tenantId && names.some(({ kind, seq }) => kind === raised.kind && seq === raised.seq)
}
