export type Progress = {
  readonly step: () => void
  readonly note: (line: string) => void
}

/** A line on standard error each second at most, with what is left at the pace so far; standard output stays the answer's. */
export function progress(what: string, total: number): Progress {
  const began = performance.now()
  let [done, told] = [0, began]
  const tell = () => {
    const passed = performance.now() - began
    const left = done === 0 ? '' : `, ${Math.ceil(((passed / done) * (total - done)) / 1000)} s left`
    process.stderr.write(`${done} of ${total} ${what}${done === total ? '' : left}\n`)
    told = performance.now()
  }
  return {
    step: () => {
      done += 1
      if (done === total || performance.now() - told > 1000) tell()
    },
    note: (line) => process.stderr.write(`${line}\n`),
  }
}
