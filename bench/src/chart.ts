import type { Report } from "./figures.ts"

interface Row {
  label: string
  engine: string
  naive?: string
  /** What the engine is meant to reach. */
  goal?: number
}

const rows: readonly Row[] = [
  { label: "a turn, burst: CPU", engine: "burst_turn", naive: "burst_turn_naive", goal: 0.65 },
  { label: "a token, paced: CPU", engine: "paced_token", naive: "paced_token_naive", goal: 1 },
  { label: "a token, paced, held: CPU", engine: "paced_token_held", goal: 0.5 },
  { label: "an idle socket: memory", engine: "idle_socket", naive: "idle_socket_naive" },
  { label: "a connect: CPU", engine: "connect", naive: "connect_naive" },
]

const width = 760
const left = 210
const right = 70
const top = 64
const barHeight = 14
const rowHeight = 46
const colors = { engine: "#1f6feb", naive: "#b8bec6", floor: "#24292f", goal: "#1a7f37" }

/** The main ratios of a report as an SVG image: bars, the bare relay as a line at 1, the goals as marks. */
export function chartOf({ ratios, machine, commit }: Report): string {
  const shown = rows.filter(({ engine }) => ratios[engine] !== undefined)
  const values = shown.flatMap(({ engine, naive, goal }) => [ratios[engine]!, ratios[naive ?? ""] ?? 0, goal ?? 0])
  const max = Math.max(1, ...values) * 1.05
  const x = (value: number) => left + (value / max) * (width - left - right)
  const height = top + shown.length * rowHeight + 34
  const body = shown.map((row, at) => rowOf(row, ratios, top + at * rowHeight, x)).join("")
  const floor = x(1).toFixed(1)
  const summary = shown.map(({ label, engine }) => `${label} ${ratios[engine]}`).join("; ")
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="13">
<title>What the engine costs, as a multiple of a bare relay</title>
<desc>${escaped(summary)}</desc>
<rect width="${width}" height="${height}" fill="#ffffff"/>
<text x="16" y="24" font-size="15" font-weight="600" fill="#24292f">Cost as a multiple of a bare relay (1 = ws and node:http, without database and sign-in)</text>
${legend()}
<line x1="${floor}" y1="${top - 10}" x2="${floor}" y2="${height - 30}" stroke="${colors.floor}" stroke-width="1.5"/>
${body}<text x="16" y="${height - 10}" font-size="11" fill="#57606a">${escaped(`${machine["cpu"]}, ${machine["cores"]} cores, Node.js ${machine["node"]}, commit ${commit ?? "unknown"}`)}</text>
</svg>
`
}

function rowOf(
  { label, engine, naive, goal }: Row,
  ratios: Report["ratios"],
  y: number,
  x: (value: number) => number,
): string {
  const bars = [bar(ratios[engine]!, y, colors.engine, x)]
  const naiveRatio = naive === undefined ? undefined : ratios[naive]
  if (naiveRatio !== undefined) bars.push(bar(naiveRatio, y + barHeight + 2, colors.naive, x))
  if (goal !== undefined) {
    const at = x(goal).toFixed(1)
    bars.push(`<path d="M${at} ${y - 3}v${barHeight + 6}" stroke="${colors.goal}" stroke-width="3"/>\n`)
  }
  return `<text x="${left - 10}" y="${y + 12}" text-anchor="end" fill="#24292f">${escaped(label)}</text>\n${bars.join("")}`
}

function bar(value: number, y: number, color: string, x: (value: number) => number): string {
  const barWidth = (x(value) - left).toFixed(1)
  return `<rect x="${left}" y="${y}" width="${barWidth}" height="${barHeight}" fill="${color}"/>
<text x="${(x(value) + 6).toFixed(1)}" y="${y + 11}" font-size="12" fill="#24292f" stroke="#ffffff" stroke-width="4" paint-order="stroke">${value.toFixed(2)}</text>
`
}

function legend(): string {
  const entries = [
    ["the engine", colors.engine],
    ["a naive server", colors.naive],
    ["bare relay", colors.floor],
    ["goal", colors.goal],
  ] as const
  return entries
    .map(([text, color], at) => {
      const x = 16 + at * 130
      return `<rect x="${x}" y="36" width="12" height="12" fill="${color}"/><text x="${x + 18}" y="46" fill="#24292f">${text}</text>`
    })
    .join("")
}

function escaped(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;")
}
