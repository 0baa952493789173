import * as fc from "fast-check"

/** Ids in commands are places in lists of what is known by then, so that a shorter list of commands still makes sense. */
const commandKinds = {
  accept: fc.record({
    kind: fc.constant("accept"),
    conversation: fc.nat(1),
    message: fc.nat(7),
    isChanged: rarely(),
    isStranger: rarely(),
    owner: fc.nat(1),
    context: contexts(),
    policy: fc.constantFrom("enqueue", "enqueue", "interrupt", "reject"),
  }),
  /** `job` counts back from the newest; the owner is the job's own, unless it is another. */
  end: fc.record({
    kind: fc.constant("end"),
    job: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(5) }),
    isOtherOwner: rarely(),
    attemptShift: fc.constantFrom(0, 0, 0, 0, 0, 0, -1, 1),
    status: fc.constantFrom("completed", "completed", "stopped", "failed"),
    text: fc.constantFrom("", "an answer", "the other answer \u{1F43B}"),
    context: contexts(),
  }),
  stop: fc.record({ kind: fc.constant("stop"), reply: fc.nat(20), isStranger: rarely() }),
  heartbeat: fc.record({
    kind: fc.constant("heartbeat"),
    owner: fc.nat(1),
    jobs: fc.array(fc.nat(4), { maxLength: 4 }),
    text: fc.constantFrom("", "so far", "so far, and more"),
  }),
  handOver: fc.record({
    kind: fc.constant("handOver"),
    owner: fc.nat(1),
    jobs: fc.array(fc.nat(4), { maxLength: 4 }),
    text: fc.constantFrom("", "so far"),
  }),
  /** Every lease in that conversation runs out. */
  expire: fc.record({ kind: fc.constant("expire"), conversation: fc.nat(1) }),
  /** Of everything that the sweep finds, or of a conversation that it may not have found. */
  takeOver: fc.record({
    kind: fc.constant("takeOver"),
    conversation: fc.option(fc.nat(1), { freq: 4 }),
    owner: fc.nat(1),
    context: contexts(),
    maxCalls: fc.integer({ min: 1, max: 3 }),
  }),
  /** Twice, as when the first answer was lost; `isOlder`: the last one that was accepted, long after. */
  retry: fc.record({
    kind: fc.constant("retry"),
    reply: fc.oneof({ weight: 4, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(20) }),
    isAskedTwice: fc.boolean(),
    isOlder: fc.constantFrom(true, false, false, false),
    isStranger: rarely(),
    owner: fc.nat(1),
    context: contexts(),
  }),
  /** A user's message or, above, a reply. */
  erase: fc.record({
    kind: fc.constant("erase"),
    conversation: fc.nat(1),
    target: fc.nat(15),
    isStranger: rarely(),
  }),
  view: fc.record({
    kind: fc.constant("view"),
    conversation: fc.nat(1),
    isStranger: rarely(),
    after: fc.option(fc.record({ message: fc.integer({ min: -1, max: 12 }), reply: fc.integer({ min: -1, max: 12 }) })),
  }),
}

type Kinds = typeof commandKinds
type CommandOf<Kind extends keyof Kinds> =
  Kinds[Kind] extends fc.Arbitrary<infer Value> ? Omit<Value, "kind"> & { kind: Kind } : never

/** One thing that is done to a reply store. */
export type ReplyStoreCommand = { [Kind in keyof Kinds]: CommandOf<Kind> }[keyof Kinds]

const weights: Record<keyof Kinds, number> = {
  accept: 8,
  end: 8,
  stop: 2,
  heartbeat: 3,
  handOver: 1,
  expire: 3,
  takeOver: 4,
  retry: 3,
  erase: 2,
  view: 3,
}

/** How many messages the model sees at most. */
function contexts(): fc.Arbitrary<number> {
  return fc.constantFrom(1, 2, 3, 5, 10)
}

function rarely(): fc.Arbitrary<boolean> {
  return fc.constantFrom(true, ...Array<boolean>(14).fill(false))
}

/** Histories of up to 60 commands, 30 on average. */
export function replyStoreHistories(): fc.Arbitrary<ReplyStoreCommand[]> {
  const command = fc.oneof(
    ...Object.entries(commandKinds).map(([kind, arbitrary]) => ({
      weight: weights[kind as keyof Kinds],
      arbitrary: arbitrary as fc.Arbitrary<ReplyStoreCommand>,
    })),
  )
  return fc.array(command, { minLength: 1, maxLength: 60, size: "max" })
}
