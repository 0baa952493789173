import type { TestProject } from "vitest/node"
import { findPostgresBinaries, startPostgresServer } from "./postgres-server.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** URLs of the run's PostgreSQL servers, database `postgres`, one for each worker; empty where there are no binaries. */
    postgresUrls: string[]
  }
}

/**
 * A server for each worker, for the whole run; each suite makes a database of its own in it. Roles, locks and what is
 * visible belong to a whole server: no two suites are at work on one at the same time.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const workers = findPostgresBinaries() === null ? 0 : project.vitest.config.maxWorkers
  const servers = await Promise.all(Array.from({ length: workers }, () => startPostgresServer({ maxConnections: 200 })))
  project.provide(
    "postgresUrls",
    servers.map((server) => server.url("postgres")),
  )
  return async () => void (await Promise.all(servers.map((server) => server.stop())))
}
