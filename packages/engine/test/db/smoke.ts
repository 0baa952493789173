import { rmSync } from "node:fs"
import { openEmbeddedDatabase } from "../../src/db/embedded-database.ts"
rmSync("/tmp/emb", { recursive: true, force: true })
let t = performance.now()
const db = await openEmbeddedDatabase({ directory: "/tmp/emb" })
console.log("cold", performance.now() - t)
const q = (text: string) =>
  db.query({ name: "x", text }).then(
    (r) => console.log(text, JSON.stringify(r)),
    (e) => console.log(text, e.name, e.code, e.message, e.cause),
  )
await q("create table t (a int)")
rmSync("/tmp/emb/database/pg_wal", { recursive: true })
await q("insert into t values (1)")
await q("select pg_switch_wal()")
await q("insert into t values (1)")
await q("select 3 as a")
await q("select pg_switch_wal()")
await q("insert into t select generate_series(1, 300000)")
await q("select 4 as a")
await db.close().then(
  () => console.log("closed"),
  (e) => console.log("close", e.message),
)
