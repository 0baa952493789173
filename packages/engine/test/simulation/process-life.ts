import type { World } from "./world.ts"

/** A process of a node: it lives once, may freeze meanwhile, and has a monotonic clock of its own. */
export class ProcessLife {
  readonly owner: string
  /** Its clock runs as fast as the database's, also while it is frozen. */
  readonly isClockSound: boolean
  state: "up" | "frozen" | "dead" = "up"
  /** Every call of the database fails before it gets there. */
  isCutOff = false
  readonly #world: World
  #clockMs: number
  readonly #rate: number

  constructor(world: World, owner: string, isClockSound: boolean) {
    this.#world = world
    this.owner = owner
    this.isClockSound = isClockSound
    this.#clockMs = world.random.between(0, 1_000_000)
    this.#rate = isClockSound ? 1 : 0.5 + world.random.next()
  }

  get isUp(): boolean {
    return this.state === "up"
  }

  get nowMs(): number {
    return this.#clockMs
  }

  passTime(ms: number): void {
    // A suspended machine's monotonic clock may stand still.
    if (this.isClockSound || this.state !== "frozen") this.#clockMs += ms * this.#rate
  }

  /** Runs the task when the process can run anything; never when it is dead. */
  post(task: () => void, dueMs = 0): void {
    const waiting = {
      canHappen: () => this.state === "dead" || (this.isUp && this.#world.timeMs >= dueMs),
      happen: () => {
        if (this.isUp) task()
      },
    }
    this.#world.add(waiting)
  }

  delay(ms: number): Promise<void> {
    const dueMs = this.#world.timeMs + ms
    return new Promise((resolve) => this.post(resolve, dueMs))
  }
}
