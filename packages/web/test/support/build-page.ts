import { execFileSync } from "node:child_process"
import { join } from "node:path"

/** Before any test: the page that the engine serves is the one of this source. */
export function setup(): void {
  execFileSync(process.execPath, [join(import.meta.dirname, "../../build.ts"), "--if-needed"], { stdio: "inherit" })
}
