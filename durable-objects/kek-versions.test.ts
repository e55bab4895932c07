import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BACKUP_WINDOW_MS } from '../domain/contracts/backup-window.ts'
import {
  type KekMoved,
  type KekVersion,
  type KekVersionsApi,
  SEALS_IN_FLIGHT_MS,
} from '../domain/contracts/kek-versions.ts'
import { startVaultStand, type VaultStand } from '../local/stands/vault-stand.ts'

let stand: VaultStand
beforeAll(async () => {
  stand = await startVaultStand()
})
afterAll(() => stand?.stop())

const T0 = Date.UTC(2026, 10, 1)
const CENSUS = 'a census'

describe('V4 the states of KEK versions', () => {
  it('begin with the newest that the first isolate has, and no deployment moves them again', async () => {
    const { call, states } = newObject()
    const [one, two, three] = [kek(1), kek(2), kek(3)]
    await call('register', [one, two], T0)
    await call('register', [one, two, three], T0 + 1)
    expect(await states()).toEqual({ 1: 'opening', 2: 'wrapping' })
  })

  it('keep the key that a version had: another under its number is refused, to isolates and to the operator', async () => {
    const { call } = newObject()
    await call('register', [kek(1)], T0)
    expect(await call('register', [kek(1)], T0)).toEqual({ ok: false, code: 'kek_mismatch' })
    expect(await call('admit', kek(1), T0)).toEqual({ ok: false, code: 'kek_mismatch' })
  })

  it('have one version that wraps, whatever is promoted', async () => {
    const { call, states } = await rotated()
    expect(await states()).toEqual({ 1: 'opening', 2: 'wrapping' })
    expect(await call('promote', 1, T0)).toEqual({ ok: true })
    expect(await states()).toEqual({ 1: 'wrapping', 2: 'opening' })
    expect(await call('promote', 3, T0)).toEqual({ ok: false, code: 'kek_unknown' })
  })

  it('lead out of a denial to draining and retirement alone', async () => {
    const { call, states } = await rotated()
    expect(await call('deny', 1, T0)).toEqual({ ok: true })
    expect(await call('promote', 1, T0)).toEqual({ ok: false, code: 'kek_state' })
    expect(await call('drain', 2, T0)).toEqual({ ok: false, code: 'kek_state' })
    expect(await call('drain', 1, T0)).toEqual({ ok: true })
    expect(await call('promote', 1, T0)).toEqual({ ok: false, code: 'kek_state' })
    expect(await states()).toEqual({ 1: 'draining', 2: 'wrapping' })
  })

  it('have nothing that wraps once the version that did is denied', async () => {
    const { call, states } = await rotated()
    await call('deny', 2, T0)
    expect(await states()).toEqual({ 1: 'opening', 2: 'denied' })
  })
})

describe('V4 retiring a version', () => {
  it('waits until seals in flight have landed, then until the last row has been gone for the backup window', async () => {
    const { call } = await rotated()
    const retire = (at: number) => call('retire', { version: 1, census: CENSUS, at }) as Promise<KekMoved>
    expect(await retire(T0 + BACKUP_WINDOW_MS)).toEqual({ ok: false, code: 'kek_in_use' })
    await call('noteRows', [{ version: 1, rows: 0 }], T0)
    expect(await retire(T0 + SEALS_IN_FLIGHT_MS - 1)).toEqual({ ok: false, code: 'kek_in_use' })
    expect(await retire(T0 + BACKUP_WINDOW_MS - 1)).toEqual({ ok: false, code: 'kek_backup_window' })
    expect(await retire(T0 + BACKUP_WINDOW_MS)).toEqual({ ok: true })
    expect(await call('census', 1)).toBe(CENSUS)
  })

  it('counts from the last time that a row was under it: one that comes back, or leaves, begins the window anew', async () => {
    const { call, emptiedAt } = await rotated()
    await call('noteRows', [], T0)
    expect(await emptiedAt(1)).toBe(T0)
    await call('noteRows', [{ version: 1, rows: 1 }], T0 + 1)
    expect(await emptiedAt(1)).toBeNull()
    await call('noteRows', [], T0 + 2)
    await call('noteLeaving', [1])
    expect(await emptiedAt(1)).toBeNull()
  })

  it('takes no count for good that was made while the version wrapped', async () => {
    const { call, emptiedAt } = await rotated()
    await call('noteRows', [], T0)
    expect(await emptiedAt(2)).toBe(T0)
    await call('promote', 1, T0 + 1)
    expect(await emptiedAt(2)).toBeNull()
  })

  it('is refused for the version that wraps', async () => {
    const { call } = await rotated()
    await call('noteRows', [], T0)
    const asked = { version: 2, census: CENSUS, at: T0 + 2 * BACKUP_WINDOW_MS }
    expect(await call('retire', asked)).toEqual({ ok: false, code: 'kek_wraps' })
  })
})

function kek(version: number) {
  return { version, checkValue: new Uint8Array(randomBytes(32)) }
}

/** An object of its own for each test. */
function newObject() {
  const name = randomUUID()
  const call = (method: keyof KekVersionsApi, ...args: unknown[]) => stand.call('KEK_VERSIONS', name, method, ...args)
  const versions = () => call('versions') as Promise<KekVersion[]>
  return {
    call,
    states: async () => Object.fromEntries((await versions()).map(({ version, state }) => [version, state])),
    emptiedAt: async (of: number) => (await versions()).find(({ version }) => version === of)?.emptiedAt,
  }
}

/** Version 2 has begun to wrap after version 1. */
async function rotated() {
  const object = newObject()
  const two = kek(2)
  await object.call('register', [kek(1)], T0)
  await object.call('admit', two, T0)
  await object.call('promote', 2, T0)
  return object
}
