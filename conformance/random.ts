/** A whole number from 0 to below the one given. */
export type Random = (below: number) => number

/** mulberry32: small, seeded, and the same on every machine. */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

export function pick<Item>(items: readonly Item[], random: Random): Item {
  const picked = items[random(items.length)]
  if (picked === undefined) throw new Error('nothing to pick from')
  return picked
}
