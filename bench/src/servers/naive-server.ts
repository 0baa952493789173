// What a competent Node.js developer writes first, as a process of its own: Fastify, `ws`, `jose`, `pg` and the `openai`
// client, four statements a turn, a text frame per delta and an empty one as the end. What stops midway is lost.
// Argument: the port. Environment: DATABASE_URL, SUPABASE_JWT_SECRET, OPENAI_BASE_URL.
import { randomUUID } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { fastify } from "fastify"
import { jwtVerify } from "jose"
import { OpenAI } from "openai"
import { Pool } from "pg"
import { type WebSocket, WebSocketServer } from "ws"

interface Turn {
  role: "user" | "assistant"
  content: string
}

const { DATABASE_URL, SUPABASE_JWT_SECRET, OPENAI_BASE_URL } = process.env
const secret = new TextEncoder().encode(SUPABASE_JWT_SECRET)
const pool = new Pool({ connectionString: DATABASE_URL, max: 15 })
const openai = new OpenAI({ apiKey: "none", baseURL: OPENAI_BASE_URL ?? "", maxRetries: 0 })
const persona = "You are Grizz, a warm and down-to-earth companion. Answer briefly, and ask back when it helps."

const schema = `
  create table conversations (
    id uuid primary key, user_id uuid not null, conv_day date not null, created_at timestamptz not null default now(),
    unique (user_id, conv_day)
  );
  create table messages (
    id uuid primary key, conversation_id uuid not null references conversations (id) on delete cascade,
    role varchar(20) not null, content text not null, created_at timestamptz not null default now()
  );
  create index on messages (conversation_id, created_at)`

async function conversationOfToday(userId: string): Promise<string> {
  const found = "select id from conversations where user_id = $1 and conv_day = current_date"
  const { rows } = await pool.query<{ id: string }>(found, [userId])
  if (rows[0] !== undefined) return rows[0].id
  const id = randomUUID()
  await pool.query("insert into conversations (id, user_id, conv_day) values ($1, $2, current_date)", [id, userId])
  return id
}

/** @throws Error when there is no such conversation, or it is another user's */
async function requireOwner(userId: string, conversationId: string): Promise<void> {
  const owned = "select 1 from conversations where id = $1 and user_id = $2"
  const { rowCount } = await pool.query(owned, [conversationId, userId])
  if (rowCount !== 1) throw new Error("no such conversation")
}

async function save(conversationId: string, { role, content }: Turn): Promise<void> {
  const insert = "insert into messages (id, conversation_id, role, content) values ($1, $2, $3, $4)"
  await pool.query(insert, [randomUUID(), conversationId, role, content])
}

async function answer(socket: WebSocket, userId: string, conversationId: string, content: string): Promise<void> {
  await requireOwner(userId, conversationId)
  await save(conversationId, { role: "user", content })
  const newest = "select role, content from messages where conversation_id = $1 order by created_at desc limit 10"
  const { rows } = await pool.query<Turn>(newest, [conversationId])
  const stream = await openai.chat.completions.create({
    model: "bench",
    messages: [{ role: "system", content: persona }, ...rows.reverse()],
    stream: true,
  })
  let text = ""
  for await (const chunk of stream) {
    const delta = chunk.choices[0]?.delta.content
    if (!delta) continue
    text += delta
    socket.send(delta)
  }
  await save(conversationId, { role: "assistant", content: text })
  socket.send("")
}

async function join(request: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> {
  const url = new URL(request.url ?? "/", "http://naive")
  const { payload } = await jwtVerify(url.searchParams.get("token") ?? "", secret, { audience: "authenticated" })
  const userId = payload.sub!
  const name = url.pathname.split("/").at(-1)!
  const conversationId = name === "today" ? await conversationOfToday(userId) : name
  if (name !== "today") await requireOwner(userId, conversationId)
  sockets.handleUpgrade(request, stream, head, (socket) => {
    socket.on("error", () => socket.terminate())
    socket.on("message", (data: Buffer) => {
      answer(socket, userId, conversationId, data.toString()).catch((error: unknown) => {
        console.error(error)
        socket.terminate()
      })
    })
    socket.send(JSON.stringify({ conversation_id: conversationId }))
  })
}

const app = fastify()
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
app.server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
  join(request, stream, head).catch((error: unknown) => {
    console.error(error)
    stream.destroy()
  })
})
app.get("/health", () => ({ status: "ok" }))
await pool.query(schema)
await app.listen({ port: Number(process.argv[2]), host: "127.0.0.1" })
process.send?.("ready")
