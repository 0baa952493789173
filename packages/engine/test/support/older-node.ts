import { execFileSync } from "node:child_process"
import { delimiter, join } from "node:path"

/** A Node.js of this machine, from 20 on and before this major version, by its path; null when there is none. */
export function findOlderNode(before: number): string | null {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const node = join(folder, "node")
    try {
      const major = Number(execFileSync(node, ["--print", "process.versions.node.split('.')[0]"], { encoding: "utf8" }))
      if (major >= 20 && major < before) return node
    } catch {
      // No Node.js in this folder.
    }
  }
  return null
}
