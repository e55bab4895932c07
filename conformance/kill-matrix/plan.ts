/** What is done to whom, and when: drawn from a seed, so that a run that failed can be made again. */
export const VICTIMS = ['postgres', 'workerd', 'function', 'supervisor'] as const
export const PHASES = ['storing', 'ingestion', 'verifying'] as const
export type Victim = (typeof VICTIMS)[number]
export type Phase = (typeof PHASES)[number]
export type Act = 'kill' | 'pause'
export type Scale = 'ci' | 'full'

export type Round = {
  readonly victim: Victim
  readonly act: Act
  readonly phase: Phase
  /** How far into the phase it strikes, as a part of what the phase takes undisturbed. */
  readonly moment: number
  readonly pauseMs: number
  /** Picks one of several processes of a kind. */
  readonly choice: number
  /** A supervisor that comes back may be killed once more, in the middle of its boot. */
  readonly againMs: number | null
}

const KILLS_A_CELL = 4
const SHORTEST_PAUSE_MS = 1000
const PAUSE_RANGE_MS = 2000
const BOOT_MS = 5000

/** `full`: every victim in every phase, killed four times and paused once. `ci`: each victim killed, and a few more of each. */
export function planRounds(seed: number, scale: Scale): Round[] {
  const random = randomFrom(seed)
  const cells = VICTIMS.flatMap((victim) => PHASES.map((phase) => ({ victim, phase })))
  const round = (act: Act, cell: { victim: Victim; phase: Phase }): Round => ({
    ...cell,
    act,
    moment: random(),
    pauseMs: act === 'pause' ? Math.round(SHORTEST_PAUSE_MS + PAUSE_RANGE_MS * random()) : 0,
    choice: random(),
    againMs: act === 'kill' && cell.victim === 'supervisor' && random() < 0.5 ? Math.round(BOOT_MS * random()) : null,
  })
  if (scale === 'full') {
    const kills = Array.from({ length: KILLS_A_CELL }, () => cells).flat()
    return shuffled([...kills.map((cell) => round('kill', cell)), ...cells.map((cell) => round('pause', cell))], random)
  }
  const phases = shuffled(PHASES, random)
  const killed: Victim[] = ['postgres', 'workerd', 'function', 'supervisor', 'workerd', 'postgres']
  const paused: Victim[] = ['workerd', 'supervisor']
  const phaseOf = (index: number): Phase => phases[index % phases.length] ?? 'storing'
  return shuffled(
    [
      ...killed.map((victim, index) => round('kill', { victim, phase: phaseOf(index) })),
      ...paused.map((victim, index) => round('pause', { victim, phase: phaseOf(index + 1) })),
    ],
    random,
  )
}

/** Mulberry32: small, and the same everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => ({ item, rank: random() }))
    .sort((one, other) => one.rank - other.rank)
    .map(({ item }) => item)
}
