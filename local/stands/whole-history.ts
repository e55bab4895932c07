import type { DatasetName, History, PolledSite, Slice } from '../../workers/connector/providers/provider.ts'

/** Slice by slice from `until` back, as jobs do it one after another. */
export async function readWholeHistory(
  history: History,
  { site, dataset, until }: { readonly site: PolledSite; readonly dataset: DatasetName; readonly until: number },
  store: (slice: Slice) => void,
): Promise<{ readonly since: number; readonly slices: number }> {
  const since = Math.min(await history.oldest(site, dataset), until)
  let slices = 0
  for (let to = until; to > since; slices += 1) {
    const slice = await history.readNewest(site, dataset, { from: since, to })
    if (slice.from >= to) throw new Error('a slice of nothing')
    store(slice)
    to = slice.from
  }
  return { since, slices }
}
