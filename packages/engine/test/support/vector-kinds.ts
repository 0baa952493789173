import { Client } from "pg"
import { type DatabaseKind, databaseKinds, postgresUrl } from "./database-kinds.ts"

async function hasPgvector(url: string): Promise<boolean> {
  const client = new Client(url)
  await client.connect()
  try {
    return (await client.query("select from pg_available_extensions where name = 'vector'")).rows.length > 0
  } finally {
    await client.end()
  }
}

const [embedded, server] = databaseKinds as [DatabaseKind, DatabaseKind]
const serverHasIt = postgresUrl !== null && (await hasPgvector(postgresUrl))

/** The databases here that can hold vectors: the embedded one always can. */
export const kindsWithVectors: DatabaseKind[] = serverHasIt ? [embedded, server] : [embedded]
/** Those that can not. */
export const kindsWithoutVectors: DatabaseKind[] = postgresUrl === null || serverHasIt ? [] : [server]
