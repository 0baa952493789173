import { rmSync, mkdirSync } from "node:fs"
import { openSyncedPglite } from "../../src/db/synced-pglite.ts"
rmSync("/tmp/emb", { recursive: true, force: true })
mkdirSync("/tmp/emb")
let t = process.cpuUsage(),
  w = performance.now()
const db = await openSyncedPglite("/tmp/emb")
console.log("cold cpu", process.cpuUsage(t), performance.now() - w)
const q = (text: string) =>
  db.query(text).then(
    (r) => console.log(text, "ok"),
    (e) => console.log(text, e.constructor.name, e.name, e.severity, e.code, e.message),
  )
await q("create table t (a int)")
rmSync("/tmp/emb/database/pg_wal", { recursive: true })
await q("select pg_switch_wal()")
await q("insert into t values (1)")
process.exit(0)
