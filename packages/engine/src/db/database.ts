/** SQL with `$1`, `$2` …; prepared once per connection under its name, so one name is one text. */
export interface Statement {
  name: string
  text: string
  /** Never waits behind others for a connection: what leases depend on. */
  isUrgent?: boolean
}

/** What both databases take. Timestamps and JSON travel as text, so that no driver's parser decides their form. */
export type Parameter = string | number | boolean | null | string[] | number[]

/**
 * Settings of every connection, on either database. Plans are kept for as long as a connection lives: one that was made
 * when a table was small would read the whole of it once it is big. Every statement of the engine has its index; and its
 * order, which a bitmap loses: the newest 10 of a conversation would be the whole of it, sorted.
 */
export const plannerSettings = { enable_seqscan: "off", enable_bitmapscan: "off", jit: "off" } as const

/** One connection, for work that spans statements. */
export interface Session {
  query<Row extends object>(statement: Statement, parameters?: Parameter[]): Promise<Row[]>
  /** Several statements at once, without parameters. */
  script(sql: string): Promise<void>
}

/**
 * PostgreSQL, on a server or embedded.
 * Every method rejects with ChatError `unavailable` for what passes by itself (connection lost, server full, shut down,
 * read-only, statement or lock timed out, disk full); anything else is a bug and comes with its cause.
 */
export interface Database {
  /** One statement, one round trip, committed when it resolves. */
  query<Row extends object>(statement: Statement, parameters?: Parameter[]): Promise<Row[]>
  /** Runs `work` on a connection of its own, which is thrown away afterwards with all its settings and locks. */
  session<T>(work: (session: Session) => Promise<T>): Promise<T>
  ping(): Promise<void>
  /** Finishes what is in flight, where the database answers. Idempotent. */
  close(): Promise<void>
}
