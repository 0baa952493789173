import type { Report, ScenarioFigures, Value } from "./figures.ts"

/** The report as tables for people. */
export function tablesOf({ machine, commit, figures, ratios }: Report): string {
  const { cpu, cores, memory_gib, os, node, database } = machine
  const head = `${cpu}, ${cores} cores, ${memory_gib} GiB, ${os}, Node.js ${node}\n${database}\ncommit ${commit ?? "unknown"}`
  const scenarios = Object.entries(figures).map(([name, found]) => scenarioTable(name, found))
  const ratioRows = Object.entries(ratios).map(([name, ratio]) => [name, `${ratio}`])
  return [head, ...scenarios, `ratios\n${aligned(ratioRows)}`].join("\n\n")
}

function scenarioTable(name: string, { setting, metrics }: ScenarioFigures): string {
  const subjects = [...new Set(Object.values(metrics).flatMap((metric) => Object.keys(metric)))]
  const rows = Object.entries(metrics).map(([metric, values]) => [
    metric,
    ...subjects.map((subject) => cell(values[subject])),
  ])
  const settings = Object.entries(setting).map(([key, value]) => `${key} ${value}`)
  const header = ["", ...subjects]
  return `${name}: ${settings.join(", ")}\n${aligned([header, ...rows])}`
}

/** Two numbers are the median and the 99th percentile. */
function cell(value: Value | undefined): string {
  if (value === undefined || value === null) return "–"
  return typeof value === "number" ? `${value}` : `${value.p50} / ${value.p99}`
}

/** The first column to the left, the others to the right. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)))
  const line = (row: readonly string[]) =>
    row.map((text, at) => (at === 0 ? text.padEnd(widths[at]!) : text.padStart(widths[at]!))).join("  ")
  return rows.map((row) => `  ${line(row)}`.trimEnd()).join("\n")
}
