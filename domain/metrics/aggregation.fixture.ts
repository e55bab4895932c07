import type { Aggregation } from './definitions.ts'

/** What values make of a window, oldest first: held against by the domain and by `flarewatch.roll_up`. */
export const FOLDS: readonly (readonly [Aggregation, readonly number[], number])[] = [
  ['sum', [7], 7],
  ['sum', [1, 2, 3], 6],
  ['sum', [5, 0, -8], -3],
  ['sum', [4_503_599_627_370_495, 4_503_599_627_370_496], Number.MAX_SAFE_INTEGER],
  ['last', [7], 7],
  ['last', [9, 4, 0], 0],
  ['last', [0, 0, 12], 12],
  ['mean', [7], 7],
  ['mean', [10, 20, 31], 20],
  ['mean', [1, 2], 2],
  ['mean', [-1, -2], -1],
  ['mean', [0, 0, 1], 0],
]
