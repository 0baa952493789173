import type { Bench, Scenario } from "../bench.ts"
import type { Metric } from "../figures.ts"
import type { ChatSocket } from "../load/chat-socket.ts"
import { closeAll, connectAll } from "../load/sockets.ts"
import { openFilesMax } from "../machine/process-cost.ts"
import type { Server } from "../servers/server.ts"
import { startServers } from "../servers/start-servers.ts"
import { round } from "../statistics.ts"

/** Sockets that came and went before the baseline is taken, so that code and pools are there. */
const warmUpSockets = 200
/** Files that a process has open beside its clients'. */
const otherFiles = 200

export const idle: Scenario = {
  name: "idle",
  description: "resident memory of 1,000 and of 5,000 sockets on which nothing happens",
  isQuick: true,
  needs: [],
  async run(bench, stack) {
    const counts = (bench.sizes.isQuick ? [5000] : [1000, 5000]).map((count) => bench.sizes.scaled(count))
    requireFiles(counts.at(-1)!)
    const { all } = await startServers(stack, bench)
    const metrics: Record<string, Metric> = { baseline_mib: {} }
    for (const server of all) {
      bench.say(`idle: ${server.name}`)
      await measureIdle(bench, server, counts, metrics)
    }
    const last = metrics[nameOf(counts.at(-1)!)]!
    const ratio = (subject: string) => round(Number(last[subject]) / Number(last["relay"]), 3)
    return {
      figures: { setting: { sockets: counts.join(", ") }, metrics, rounds: {} },
      ratios: {
        idle_socket: ratio("engine"),
        ...(last["naive"] !== undefined && { idle_socket_naive: ratio("naive") }),
      },
    }
  },
}

const nameOf = (sockets: number) => `kib_per_socket_at_${sockets}`

async function measureIdle(
  { say }: Bench,
  server: Server,
  counts: readonly number[],
  metrics: Record<string, Metric>,
): Promise<void> {
  await closeAll(await connectAll(server, warmUpSockets))
  const before = await server.settledMemory()
  metrics["baseline_mib"]![server.name] = round(before.residentKib / 1024, 1)
  const sockets: ChatSocket[] = []
  for (const count of counts) {
    sockets.push(...(await connectAll(server, count - sockets.length)))
    const after = await server.settledMemory()
    for (const socket of sockets) socket.requireOpen()
    const residentKib = round((after.residentKib - before.residentKib) / count, 1)
    const liveKib = round((after.liveKib - before.liveKib) / count, 1)
    add(metrics, nameOf(count), server.name, residentKib)
    add(metrics, `live_${nameOf(count)}`, server.name, liveKib)
    say(`idle: ${server.name}, ${count} sockets, ${residentKib} KiB each, ${liveKib} of them live`)
  }
  await closeAll(sockets)
}

function add(metrics: Record<string, Metric>, name: string, subject: string, value: number): void {
  const metric = (metrics[name] ??= {})
  metric[subject] = value
}

/** @throws Error when this process, or a server, may not have so many sockets open */
function requireFiles(sockets: number): void {
  if (openFilesMax() >= sockets + otherFiles) return
  throw new Error(
    `${sockets} sockets need as many open files, and this machine allows ${openFilesMax()}: raise the limit, \`ulimit -n ${sockets + otherFiles}\`.`,
  )
}
