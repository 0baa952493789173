import type { Redis } from "ioredis"
import type { Session } from "../../src/db/database.ts"
import { sql } from "./database-sql.ts"

/** Every table, of every schema, with a row that holds the word in whatever case. */
export async function tablesWith(database: Pick<Session, "query">, word: string): Promise<string[]> {
  const tables = await sql<{ name: string }>(
    database,
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'm') and n.nspname not in ('pg_catalog', 'information_schema')
        and n.nspname not like 'pg_toast%' order by 1`,
  )
  if (tables.length < 9) throw new Error(`There are but ${tables.length} tables to look at.`)
  const found: string[] = []
  for (const { name } of tables) {
    const text = `select 1 from ${name} t where strpos(lower(t::text), lower($1)) > 0 limit 1`
    if ((await sql(database, text, [word])).length > 0) found.push(name)
  }
  return found
}

/** Every key of Redis whose name or value holds the word in whatever case. */
export async function keysWith(redis: Redis, word: string): Promise<string[]> {
  const found: string[] = []
  for await (const keys of redis.scanStream() as AsyncIterable<string[]>) {
    for (const key of keys) {
      const type = await redis.type(key)
      // Gone since it was listed.
      if (type === "none") continue
      if (type !== "stream") throw new Error(`${key} is a ${type}, which is not looked into.`)
      const entries = JSON.stringify([key, await redis.xrange(key, "-", "+")])
      if (entries.toLowerCase().includes(word.toLowerCase())) found.push(key)
    }
  }
  return found
}
