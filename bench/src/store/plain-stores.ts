import { randomUUID } from "node:crypto"
import { Pool } from "pg"
import type { TurnStore } from "./turn-store.ts"

/** As many connections as the engine's pool has. */
const connections = 15

const schema = `
  create table conversations (id uuid primary key, user_id uuid not null);
  create table messages (
    id uuid primary key, conversation_id uuid not null references conversations (id) on delete cascade,
    role varchar(20) not null, content text not null, created_at timestamptz not null default now()
  );
  create index on messages (conversation_id, created_at)`

const owned = "select 1 from conversations where id = $1 and user_id = $2"
const newest = "select role, content from messages where conversation_id = $1 order by created_at desc limit 10"
const insert = "insert into messages (id, conversation_id, role, content) values ($1, $2, $3, $4)"

const ask = {
  name: "ask",
  text: `with owned as (select id from conversations where id = $2 and user_id = $3),
    added as (insert into messages (id, conversation_id, role, content) select $1, id, 'user', $4 from owned)
    select m.role, m.content from messages m
    where m.conversation_id = (select id from owned) order by m.created_at desc limit 9`,
}

/** The floor: `pg`, two statements, both prepared; no lease, no position, no order of two that send at once. */
export async function openNamedCteStore(url: string): Promise<TurnStore> {
  const { pool, userId, begin } = await openPool(url)
  return {
    begin,
    async turn(conversationId, question, answer) {
      await pool.query({ ...ask, values: [randomUUID(), conversationId, userId, question] })
      await pool.query({ name: "insert", text: insert, values: [randomUUID(), conversationId, "assistant", answer] })
    },
    close: () => pool.end(),
  }
}

/** What most write first. */
export async function openFourStatementStore(url: string): Promise<TurnStore> {
  const { pool, userId, begin } = await openPool(url)
  return {
    begin,
    async turn(conversationId, question, answer) {
      await pool.query(owned, [conversationId, userId])
      await pool.query(insert, [randomUUID(), conversationId, "user", question])
      await pool.query(newest, [conversationId])
      await pool.query(insert, [randomUUID(), conversationId, "assistant", answer])
    },
    close: () => pool.end(),
  }
}

async function openPool(url: string) {
  const pool = new Pool({ connectionString: url, max: connections })
  const userId = randomUUID()
  await pool.query(schema)
  const begin = async () => {
    const id = randomUUID()
    await pool.query("insert into conversations (id, user_id) values ($1, $2)", [id, userId])
    return id
  }
  return { pool, userId, begin }
}
