/**
 * A QR code (ISO/IEC 18004) as SVG, byte mode, error correction level L, which is all that an `otpauth://` address needs.
 * Always mask 0: a reader takes the mask from the format bits, and choosing the best of eight only helps a damaged print.
 */
export function qrCodeSvg(text: string): string {
  const matrix = qrCode(new TextEncoder().encode(text))
  const size = matrix.length + 2 * QUIET_ZONE
  const path = matrix
    .flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + QUIET_ZONE} ${y + QUIET_ZONE}h1v1h-1z` : '')))
    .join('')
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges">` +
    `<rect width="${size}" height="${size}" fill="white"/><path d="${path}" fill="black"/></svg>`
  )
}

const QUIET_ZONE = 4
const MAX_VERSION = 40
/** Table 9 of the standard, level L: error correction codewords a block, and blocks, by version. */
const CORRECTION_CODEWORDS = [
  7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30, 30, 26, 28, 30, 30, 30, 30,
  30, 30, 30, 30, 30, 30, 30, 30, 30, 30,
]
const BLOCKS = [
  1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19,
  20, 21, 22, 24, 25,
]

/** Rows of modules, true for dark. */
export function qrCode(payload: Uint8Array): boolean[][] {
  const version = smallestVersion(payload.length)
  const canvas = new Canvas(version)
  const codewords = interleave(dataCodewords(payload, version), version)
  canvas.write(codewords)
  return canvas.rows()
}

function smallestVersion(length: number): number {
  for (let version = 1; version <= MAX_VERSION; version++) {
    if (4 + lengthBits(version) + 8 * length <= 8 * dataCapacity(version)) return version
  }
  throw new RangeError('too long for a QR code')
}

function lengthBits(version: number): number {
  return version < 10 ? 8 : 16
}

function at(table: readonly number[], version: number): number {
  const value = table[version - 1]
  if (value === undefined) throw new RangeError('no such QR version')
  return value
}

function dataCapacity(version: number): number {
  return totalCodewords(version) - at(CORRECTION_CODEWORDS, version) * at(BLOCKS, version)
}

/** Modules left once finder, timing, alignment, format and version patterns have theirs. */
function totalCodewords(version: number): number {
  const side = 17 + 4 * version
  const alignments = alignmentCentres(version).length
  const alignmentModules = alignments === 0 ? 0 : (alignments ** 2 - 3) * 25 - 2 * (alignments - 2) * 5
  const functionModules = 3 * 64 + 2 * (side - 16) + alignmentModules + 31 + (version >= 7 ? 36 : 0)
  return Math.floor((side ** 2 - functionModules) / 8)
}

function alignmentCentres(version: number): number[] {
  if (version === 1) return []
  const count = Math.floor(version / 7) + 2
  const last = 10 + 4 * version
  // Annex E spaces the centres evenly and on even modules; version 32 alone departs from the rule.
  const step = version === 32 ? 26 : 2 * Math.ceil((last - 6) / (2 * (count - 1)))
  return [6, ...Array.from({ length: count - 1 }, (_, index) => last - step * (count - 2 - index))]
}

function dataCodewords(payload: Uint8Array, version: number): number[] {
  const bits: number[] = []
  const push = (value: number, width: number) => {
    for (let shift = width - 1; shift >= 0; shift--) bits.push((value >> shift) & 1)
  }
  push(0b0100, 4)
  push(payload.length, lengthBits(version))
  for (const byte of payload) push(byte, 8)
  const capacity = dataCapacity(version)
  push(0, Math.min(4, 8 * capacity - bits.length))
  push(0, -bits.length & 7)
  const codewords = Array.from({ length: bits.length / 8 }, (_, index) =>
    bits.slice(8 * index, 8 * index + 8).reduce((byte, bit) => (byte << 1) | bit, 0),
  )
  for (let pad = 0xec; codewords.length < capacity; pad ^= 0xec ^ 0x11) codewords.push(pad)
  return codewords
}

/** Splits into blocks, the short ones first, and takes their codewords in turn. */
function interleave(data: readonly number[], version: number): number[] {
  const count = at(BLOCKS, version)
  const shortLength = Math.floor(data.length / count)
  const longBlocks = data.length % count
  const blocks = Array.from({ length: count }, (_, index) => {
    const long = Math.max(0, index - (count - longBlocks))
    const start = index * shortLength + long
    return data.slice(start, start + shortLength + (index >= count - longBlocks ? 1 : 0))
  })
  const generator = generatorPolynomial(at(CORRECTION_CODEWORDS, version))
  return [...inTurn(blocks), ...inTurn(blocks.map((block) => remainder(block, generator)))]
}

function inTurn(blocks: readonly (readonly number[])[]): number[] {
  const longest = Math.max(...blocks.map(({ length }) => length))
  return Array.from({ length: longest }, (_, index) => blocks.flatMap((block) => block.slice(index, index + 1))).flat()
}

/** Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1. */
function multiply(a: number, b: number): number {
  let product = 0
  for (let left = a, right = b; right > 0; right >>= 1) {
    if ((right & 1) === 1) product ^= left
    left = left & 0x80 ? (left << 1) ^ 0x11d : left << 1
  }
  return product
}

/** The product of (x - 2^i), highest power first, without its leading 1. */
function generatorPolynomial(degree: number): number[] {
  let polynomial = [1]
  for (let root = 1, power = 0; power < degree; power++, root = multiply(root, 2)) {
    const shifted = [...polynomial, 0]
    polynomial = shifted.map((coefficient, index) => coefficient ^ multiply(polynomial[index - 1] ?? 0, root))
  }
  return polynomial.slice(1)
}

function remainder(block: readonly number[], generator: readonly number[]): number[] {
  return block.reduce<number[]>(
    ([first = 0, ...rest], codeword) => {
      const factor = codeword ^ first
      return [...rest, 0].map((value, index) => value ^ multiply(generator[index] ?? 0, factor))
    },
    generator.map(() => 0),
  )
}

class Canvas {
  readonly #side: number
  readonly #dark: boolean[][]
  /** Modules that belong to a function pattern and carry no data. */
  readonly #taken: boolean[][]

  constructor(version: number) {
    this.#side = 17 + 4 * version
    const blank = () => Array.from({ length: this.#side }, () => Array.from({ length: this.#side }, () => false))
    this.#dark = blank()
    this.#taken = blank()
    this.#drawTiming()
    for (const [x, y] of [
      [3, 3],
      [this.#side - 4, 3],
      [3, this.#side - 4],
    ] as const)
      this.#drawFinder(x, y)
    this.#drawAlignments(alignmentCentres(version))
    this.#drawFormat()
    if (version >= 7) this.#drawVersion(version)
  }

  rows(): boolean[][] {
    return this.#dark
  }

  /** Two columns at a time from the right, up and down in turn, past the vertical timing pattern. */
  write(codewords: readonly number[]): void {
    let bit = 0
    for (let right = this.#side - 1, upwards = true; right > 0; right -= 2, upwards = !upwards) {
      if (right === 6) right = 5
      for (let step = 0; step < this.#side; step++) {
        const y = upwards ? this.#side - 1 - step : step
        for (const x of [right, right - 1]) {
          if (this.#taken[y]?.[x] === true) continue
          const value = ((codewords[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1
          this.#set(x, y, (value === 1) !== ((x + y) % 2 === 0), false)
          bit++
        }
      }
    }
  }

  #set(x: number, y: number, dark: boolean, taken = true): void {
    const row = this.#dark[y]
    const takenRow = this.#taken[y]
    if (row === undefined || takenRow === undefined || x < 0 || x >= this.#side) return
    row[x] = dark
    takenRow[x] = taken
  }

  #drawTiming(): void {
    for (let index = 0; index < this.#side; index++) {
      this.#set(6, index, index % 2 === 0)
      this.#set(index, 6, index % 2 === 0)
    }
  }

  /** Rings about the centre: dark up to 1, light 2, dark 3, and a light separator. */
  #drawFinder(centreX: number, centreY: number): void {
    for (let dy = -4; dy <= 4; dy++) {
      for (let dx = -4; dx <= 4; dx++) {
        const ring = Math.max(Math.abs(dx), Math.abs(dy))
        this.#set(centreX + dx, centreY + dy, ring !== 2 && ring !== 4)
      }
    }
  }

  #drawAlignments(centres: readonly number[]): void {
    const last = centres.at(-1)
    for (const y of centres) {
      for (const x of centres) {
        const isAtFinder = (x === 6 && y === 6) || (x === 6 && y === last) || (x === last && y === 6)
        if (!isAtFinder) this.#drawAlignment(x, y)
      }
    }
  }

  #drawAlignment(centreX: number, centreY: number): void {
    for (let dy = -2; dy <= 2; dy++) {
      for (let dx = -2; dx <= 2; dx++) {
        this.#set(centreX + dx, centreY + dy, Math.max(Math.abs(dx), Math.abs(dy)) !== 1)
      }
    }
  }

  /** Level L (01) and mask 000, with their BCH(15,5) code and the standard's fixed mask, twice. */
  #drawFormat(): void {
    const format = withCheckBits(0b01000, 10, 0x537) ^ 0x5412
    const side = this.#side
    for (let index = 0; index < 15; index++) {
      const dark = ((format >> index) & 1) === 1
      if (index < 8) this.#set(side - 1 - index, 8, dark)
      else this.#set(8, side - 15 + index, dark)
      // Along the finder the timing pattern's row and column are skipped.
      if (index < 8) this.#set(8, index < 6 ? index : index + 1, dark)
      else this.#set(index === 8 ? 7 : 14 - index, 8, dark)
    }
    this.#set(8, side - 8, true)
  }

  #drawVersion(version: number): void {
    const bits = withCheckBits(version, 12, 0x1f25)
    for (let index = 0; index < 18; index++) {
      const dark = ((bits >> index) & 1) === 1
      const along = Math.floor(index / 3)
      const across = this.#side - 11 + (index % 3)
      this.#set(across, along, dark)
      this.#set(along, across, dark)
    }
  }
}

/** Appends the remainder of a division by a generator polynomial over GF(2). */
function withCheckBits(value: number, width: number, generator: number): number {
  let rest = value << width
  for (let shift = 31 - Math.clz32(rest) - width; shift >= 0; shift = 31 - Math.clz32(rest) - width) {
    rest ^= generator << shift
  }
  return (value << width) | rest
}
