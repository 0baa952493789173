import type { Simulation } from "./simulation.ts"

/** One thing that may happen; `run` is false when it cannot now. */
export interface Command {
  readonly name: string
  /** How often, in relation to the others. */
  readonly weight: number
  /** Something that may cost a reply its owner. */
  readonly isRough?: boolean
  run(simulation: Simulation): boolean
}

const mostMessages = 10
const pieces = ["a", "bc", "def", "ghij ", "\u{1F43B}", "\n", "klmnopqr"]

const up = ({ processes, world }: Simulation) => world.random.pick(processes.filter(({ life }) => life.isUp))
const call = ({ running, world }: Simulation) => world.random.pick([...running].filter(({ life }) => life.isUp))
const readable = ({ readers, world }: Simulation) => world.random.pick(readers.filter(({ hasUnread }) => hasUnread))

/** Runs the task with what was found, if anything was. */
function using<T>(found: T | null | undefined, task: (found: T) => void): boolean {
  if (found == null) return false
  task(found)
  return true
}

const clients: Command[] = [
  {
    name: "write",
    weight: 4,
    run: (all) =>
      using(all.sender.count < mostMessages ? all.world.random.pick(all.processes) : null, (process) =>
        all.sender.send(process, all.sender.write(all.world.random.pick(all.conversationIds)!)),
      ),
  },
  {
    name: "send again",
    weight: 3,
    run: (all) =>
      using(all.world.random.pick(all.sender.unacknowledged), (outgoing) =>
        using(all.world.random.pick(all.processes), (process) => all.sender.send(process, outgoing)),
      ),
  },
  {
    name: "send what was acknowledged",
    weight: 1,
    run: (all) =>
      using(all.sender.any(), (outgoing) =>
        using(all.world.random.pick(all.processes), (process) => all.sender.send(process, outgoing)),
      ),
  },
  {
    name: "stop",
    weight: 1,
    run: (all) =>
      using(all.world.random.pick(all.store.replies), ({ id }) =>
        using(all.world.random.pick(all.processes), (process) => all.sender.stop(process, id)),
      ),
  },
  {
    name: "retry",
    weight: 1,
    run: (all) =>
      using(all.world.random.pick(all.store.replies.filter(({ endedAt }) => endedAt !== null)), ({ id }) =>
        using(all.world.random.pick(all.processes), (process) => all.sender.retry(process, id)),
      ),
  },
  {
    name: "erase",
    weight: 0.4,
    run: (all) =>
      using(
        all.world.random.pick(all.store.conversations.flatMap(({ messages }) => messages)),
        ({ conversationId, id }) =>
          using(all.world.random.pick(all.processes), (process) => all.sender.erase(process, conversationId, id)),
      ),
  },
  {
    name: "connect",
    weight: 5,
    run: (all) =>
      using(all.world.random.pick(all.readers.filter(({ process }) => process === null)), (reader) =>
        using(all.world.random.pick(all.processes), (process) =>
          reader.connect(process, all.world.random.between(1, 12), all.world.random.chance(0.85)),
        ),
      ),
  },
  {
    name: "drop",
    weight: 1,
    run: (all) =>
      using(all.world.random.pick(all.readers.filter(({ process }) => process !== null)), (reader) => reader.drop()),
  },
  {
    name: "read",
    weight: 10,
    run: (all) => using(readable(all), (reader) => reader.read(all.world.random.between(1, 6))),
  },
]

const model: Command[] = [
  {
    name: "say",
    weight: 12,
    run: (all) =>
      using(call(all), (one) =>
        one.say(Array.from({ length: all.world.random.between(1, 3) }, () => all.world.random.pick(pieces)).join("")),
      ),
  },
  { name: "finish", weight: 3, run: (all) => using(call(all), (one) => one.finish()) },
  { name: "fail", weight: 0.5, run: (all) => using(call(all), (one) => one.fail()) },
]

const nodes: Command[] = [
  { name: "let one happen", weight: 40, run: ({ world }) => world.letOneHappen() },
  {
    name: "beat",
    weight: 10,
    run: (all) =>
      using(all.world.random.pick(all.processes.filter(({ canBeat }) => canBeat)), (one) => void one.beat()),
  },
  {
    name: "look",
    weight: 4,
    run: (all) => using(up(all), (one) => one.look()),
  },
  {
    name: "a moment",
    weight: 10,
    isRough: true,
    run: (all) => using(all, () => all.passTime(all.world.random.between(1, 1500))),
  },
  {
    name: "a while",
    weight: 1.5,
    isRough: true,
    run: (all) => using(all, () => all.passTime(all.world.random.between(5000, 40_000))),
  },
  {
    name: "freeze",
    weight: 0.8,
    isRough: true,
    run: (all) => {
      const process = up(all)
      return using(process?.isDraining ? null : process, ({ life }) => (life.state = "frozen"))
    },
  },
  {
    name: "wake",
    weight: 1.5,
    run: (all) =>
      using(all.world.random.pick(all.processes.filter(({ life }) => life.state === "frozen")), ({ life }) => {
        life.state = "up"
      }),
  },
  {
    name: "cut off",
    weight: 0.4,
    isRough: true,
    run: (all) => using(up(all), ({ life }) => (life.isCutOff = true)),
  },
  {
    name: "join again",
    weight: 1.5,
    run: (all) =>
      using(all.world.random.pick(all.processes.filter(({ life }) => life.isCutOff)), ({ life }) => {
        life.isCutOff = false
      }),
  },
  {
    name: "crash",
    weight: 0.6,
    isRough: true,
    run: (all) => using(all.world.random.pick(all.processes), (one) => all.crash(one)),
  },
  {
    name: "deploy",
    weight: 0.4,
    isRough: true,
    run: (all) => {
      const process = up(all)
      return using(process?.isDraining ? null : process, (one) => void one.drain(all.world.random.between(0, 3000)))
    },
  },
  {
    name: "start",
    weight: 2,
    run: (all) => {
      const slot = all.nodes.findIndex((node) => node.life.state === "dead")
      if (slot < 0) return false
      all.nodes[slot] = all.start()
      return true
    },
  },
]

export const commands: readonly Command[] = [...clients, ...model, ...nodes]
