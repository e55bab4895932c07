import { openServerConnection, type ServerConnection, type Upstream, type Witness } from './server-connection.ts'

export type RolePoolLimits = {
  readonly maxConnections: number
  readonly maxWaiting: number
  readonly waitTimeoutMs: number
}

export type RolePoolOptions = {
  readonly role: string
  readonly password: string
  readonly upstream: Upstream
  readonly limits: RolePoolLimits
  readonly witness: Witness | undefined
}

type Waiter = {
  readonly give: (connection: ServerConnection) => void
  readonly refuse: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

export class PoolExhausted extends Error {}

/** The server connections of one role. Roles share nothing, so that a session can only ever serve the role it logged in as. */
export class RolePool {
  readonly #role: string
  readonly #password: string
  readonly #upstream: Upstream
  readonly #limits: RolePoolLimits
  readonly #witness: Witness | undefined
  readonly #idle: ServerConnection[] = []
  readonly #inspections = new Set<Promise<boolean>>()
  readonly #waiting: Waiter[] = []
  #open = 0
  #parameters: Buffer | undefined
  #isStopped = false

  constructor({ role, password, upstream, limits, witness }: RolePoolOptions) {
    this.#role = role
    this.#password = password
    this.#upstream = upstream
    this.#limits = limits
    this.#witness = witness
  }

  /** What Postgres tells a client of this role at login. Asked once: it is the same for every session. */
  async parameters(): Promise<Buffer> {
    if (this.#parameters === undefined) {
      const connection = await this.borrow()
      this.#parameters = connection.parameters
      this.#offer(connection)
    }
    return this.#parameters
  }

  /** An idle connection, a new one, or a place in the queue. */
  async borrow(): Promise<ServerConnection> {
    const idle = this.#takeIdle()
    if (idle !== undefined) return idle
    if (this.#isStopped) throw new PoolExhausted('the pool is stopped')
    if (this.#open < this.#limits.maxConnections) return await this.#openOne()
    if (this.#waiting.length >= this.#limits.maxWaiting) throw new PoolExhausted('too many clients are waiting already')
    return await this.#wait()
  }

  /** Takes back a connection that is between transactions. */
  async giveBack(connection: ServerConnection): Promise<void> {
    if (connection.isClosed || this.#isStopped || !(await this.#isFit(connection))) return this.discard(connection)
    this.#offer(connection)
  }

  async #isFit(connection: ServerConnection): Promise<boolean> {
    if (this.#witness === undefined) return connection.reset()
    if (!connection.isDueForInspection) return connection.release()
    const inspection = connection.inspect(this.#witness)
    this.#inspections.add(inspection)
    return inspection.finally(() => this.#inspections.delete(inspection))
  }

  /** For a connection whose state nobody can vouch for. */
  discard(connection: ServerConnection): void {
    connection.destroy()
    this.#closedOne()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    const idle = this.#idle.splice(0).filter(({ isClosed }) => !isClosed)
    for (let waiter = this.#nextWaiter(); waiter !== undefined; waiter = this.#nextWaiter()) {
      waiter.refuse(new PoolExhausted('the pool is stopped'))
    }
    const witness = this.#witness
    await Promise.all(this.#inspections)
    if (witness !== undefined) await Promise.all(idle.map((connection) => connection.inspect(witness)))
    for (const connection of idle) connection.end()
  }

  /** Its place is free: whoever waits may have it, and is told as soon as Postgres cannot be reached. */
  #closedOne(): void {
    this.#open -= 1
    const waiter = this.#nextWaiter()
    if (waiter !== undefined) this.borrow().then(waiter.give, waiter.refuse)
  }

  #offer(connection: ServerConnection): void {
    const waiter = this.#nextWaiter()
    if (waiter === undefined) this.#idle.push(connection)
    else waiter.give(connection)
  }

  #nextWaiter(): Waiter | undefined {
    const waiter = this.#waiting.shift()
    if (waiter !== undefined) clearTimeout(waiter.timer)
    return waiter
  }

  #takeIdle(): ServerConnection | undefined {
    // The one used last is the warmest; those that Postgres closed meanwhile are dropped here.
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (!connection.isClosed) return connection
      this.#open -= 1
    }
    return undefined
  }

  async #openOne(): Promise<ServerConnection> {
    this.#open += 1
    try {
      return await openServerConnection(this.#role, this.#password, this.#upstream)
    } catch (error) {
      this.#closedOne()
      throw error
    }
  }

  #wait(): Promise<ServerConnection> {
    return new Promise((give, refuse) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        refuse(new PoolExhausted('no connection became free in time'))
      }, this.#limits.waitTimeoutMs)
      const waiter: Waiter = { give, refuse, timer }
      this.#waiting.push(waiter)
    })
  }
}
