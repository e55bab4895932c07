// Runs inside a function's process, in front of the function. The embedded stack has a clock that tests set; each forwarded
// request carries its time, and the function then reads that instead of the machine's.
const CLOCK_HEADER = 'flarewatch-embedded-clock'

const MachineDate = Date
let offset = 0

globalThis.Date = new Proxy(MachineDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [MachineDate.now() + offset] : args, newTarget),
  get: (target, name, receiver) =>
    name === 'now' ? () => MachineDate.now() + offset : Reflect.get(target, name, receiver),
})

type Handler = (request: Request, info: unknown) => unknown
const deno: { serve: (handler: Handler) => unknown } = Reflect.get(globalThis, 'Deno')
const serve = deno.serve
deno.serve = (handler) =>
  serve((request, info) => {
    const now = Number(request.headers.get(CLOCK_HEADER))
    if (now > 0) offset = now - MachineDate.now()
    return handler(request, info)
  })

export {}
