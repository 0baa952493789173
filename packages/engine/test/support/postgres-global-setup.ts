import type { TestProject } from "vitest/node"
import { findPostgresBinaries, startPostgresServer } from "./postgres-server.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** URL of the run's PostgreSQL server, database `postgres`; null where there are no binaries. */
    postgresUrl: string | null
  }
}

/** One server for the whole run; each suite makes a database of its own in it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (findPostgresBinaries() === null) {
    project.provide("postgresUrl", null)
    return async () => undefined
  }
  const server = await startPostgresServer({ maxConnections: 200 })
  project.provide("postgresUrl", server.url("postgres"))
  return () => server.stop()
}
