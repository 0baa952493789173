import type { ChaosResult } from "./chaos-run.ts"
import type { StoredReply } from "./ledger.ts"
import { type Plant, plants } from "./plant.ts"
import { violationKinds, type ViolationKind } from "./told.ts"

/** A markdown table of everything that was counted. */
export function describeRun(result: ChaosResult): string {
  const { options, hasRedis, told, stored, faults, model, memory, healedMs, failedStarts, errorLines, noticed } = result
  const replies = [...Map.groupBy(stored.replies, ({ status }) => status)]
  const failures = [...Map.groupBy(stored.replies, ({ errorCode }) => errorCode ?? "")].filter(([code]) => code !== "")
  const sum = (pick: (reply: (typeof stored.replies)[number]) => number) =>
    stored.replies.reduce((total, reply) => total + pick(reply), 0)
  const sections: [string, [string, number | string][]][] = [
    ["load", sorted(told.counts)],
    [
      "stored",
      [
        ["messages", stored.messages.length],
        ["replies", stored.replies.length],
      ],
    ],
    ["replies", replies.map(([status, of]) => [status, of.length])],
    ["failed with", failures.map(([code, of]) => [code, of.length])],
    [
      "attempts",
      [
        ["attempts", sum(({ attempt }) => attempt)],
        ["replies of more than one attempt", stored.replies.filter(({ attempt }) => attempt > 1).length],
        ["superseded by a retry", stored.replies.filter(({ supersededBy }) => supersededBy !== null).length],
        ["calls recorded", sum(({ calls }) => calls)],
        [
          "calls handed over by a shutdown, recorded",
          stored.replies.reduce((total, reply) => total + handedOver(reply), 0),
        ],
        ["calls the model got", model.all],
        ["of these, paid", model.paid],
      ],
    ],
    ["the model", sorted(model.behaviours)],
    ["faults", [...sorted(faults), ["starts that failed while PostgreSQL was away", failedStarts]]],
    [
      "memory, MB",
      memory.flatMap(({ name, baseline, end }) => [
        [`${name}: heap, baseline → end`, `${megabytes(baseline.heap)} → ${megabytes(end.heap)}`],
        [`${name}: resident, baseline → end`, `${megabytes(baseline.rss)} → ${megabytes(end.rss)}`],
        [`${name}: descriptors, baseline → end`, `${baseline.descriptors} → ${end.descriptors}`],
      ]),
    ],
    ["ledger", ledgerLines(noticed)],
    ["log lines at error", sorted(errorLines)],
    [
      "violations",
      Object.entries(violationKinds).map(([kind, words]) => [words, countOf(result, kind as ViolationKind)]),
    ],
  ]
  const rows = sections.flatMap(([section, lines]) =>
    lines.map(([what, value]) => `| ${section} | ${what} | ${value} |`),
  )
  const title = `${options.minutes} minutes, seed ${options.seed}, ${options.users} users, ${hasRedis ? "with" : "without"} Redis, healed after ${(healedMs / 1000).toFixed(1)} s`
  return [title, "", "| | what | count |", "| --- | --- | ---: |", ...rows].join("\n")
}

function ledgerLines(noticed: readonly Plant[]): [string, string][] {
  const others = plants.filter((plant) => !noticed.includes(plant))
  const lines: [string, string][] = [["planted violations that it noticed", `${noticed.length} of ${plants.length}`]]
  return others.length === 0 ? lines : [...lines, ["could not be planted: too little was said", others.join(", ")]]
}

/** An attempt that does not count as a call was handed over; the last one of a reply ended for its owner made none. */
function handedOver({ attempt, calls, errorCode }: StoredReply): number {
  return Math.max(0, attempt - calls - (errorCode === "interrupted" ? 1 : 0))
}

function countOf({ told }: ChaosResult, kind: ViolationKind): number {
  return told.violations.filter((violation) => violation.kind === kind).length
}

function sorted(counts: Map<string, number>): [string, number][] {
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1))
}

const megabytes = (bytes: number) => (bytes / 1_000_000).toFixed(1)
