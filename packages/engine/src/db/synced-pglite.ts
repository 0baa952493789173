import { closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { PGlite } from "@electric-sql/pglite"
import { NodeFS } from "@electric-sql/pglite/nodefs"
import { vector } from "@electric-sql/pglite-pgvector"
import { plannerSettings } from "./database.ts"

/** Emscripten's NODEFS as far as it is used here: internal to PGlite, whose version is therefore pinned exactly. */
interface EmscriptenModule {
  FS: { filesystems: { NODEFS: { stream_ops: { fsync?: (stream: { nfd: number }) => number } } } }
}

/** NODEFS as PGlite ships it has no fsync: a commit would be in the operating system's cache only. */
class SyncedNodeFS extends NodeFS {
  syncs = 0

  override async init(...[pg, options]: Parameters<NodeFS["init"]>): ReturnType<NodeFS["init"]> {
    const { emscriptenOpts } = await super.init(pg, options)
    const giveFsync = (module: EmscriptenModule) => {
      module.FS.filesystems.NODEFS.stream_ops.fsync = ({ nfd }) => {
        fsyncSync(nfd)
        this.syncs += 1
        return 0
      }
    }
    const preRun = [...[emscriptenOpts.preRun ?? []].flat(), giveFsync]
    return { emscriptenOpts: { ...emscriptenOpts, preRun } }
  }
}

const planner = Object.entries(plannerSettings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
/** `-F` turns syncing off; fdatasync, the default method, is a no-op in PGlite. */
const startParams = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== "-F"),
  "-c",
  "wal_sync_method=fsync",
  ...planner,
]

/** What CREATE EXTENSION may make. */
const extensions = { vector }

/** For tests: gone when it is closed. */
export function openPgliteInMemory(): Promise<PGlite> {
  return PGlite.create({ startParams: [...PGlite.defaultStartParams, ...planner], extensions })
}

/**
 * Opens the cluster in `directory/database`, making it where there is none. What it commits is on the disk.
 * @throws Error when a commit does not reach the disk: then this must not run
 */
export async function openSyncedPglite(directory: string): Promise<PGlite> {
  const data = join(directory, "database")
  if (!existsSync(data)) await makeCluster(directory, data)
  const { pglite, files } = await open(data)
  await assertCommitSyncs(pglite, files)
  return pglite
}

/** Made under another name, so that a start that was killed half-way leaves nothing that looks like a cluster. */
async function makeCluster(directory: string, data: string): Promise<void> {
  const draft = join(directory, "database.new")
  rmSync(draft, { recursive: true, force: true })
  const { pglite } = await open(draft)
  await pglite.close()
  syncTree(draft)
  renameSync(draft, data)
  syncPath(dirname(data))
}

async function open(data: string): Promise<{ pglite: PGlite; files: SyncedNodeFS }> {
  const files = new SyncedNodeFS(data)
  return { pglite: await PGlite.create({ fs: files, startParams, extensions }), files }
}

/**
 * Writes WAL and commits it: with synchronous_commit that takes at least one fsync.
 * @throws Error when there was none; `pglite` is then closed
 */
export async function assertCommitSyncs(pglite: PGlite, files: { syncs: number }): Promise<void> {
  const before = files.syncs
  await pglite.query("select pg_logical_emit_message(true, 'grizz', 'does a commit sync?')")
  if (files.syncs > before) return
  await pglite.close()
  throw new Error(
    "The embedded database does not sync its commits to the disk; it would lose data, so it does not start.",
  )
}

function syncTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name)
    if (entry.isDirectory()) syncTree(child)
    else syncPath(child)
  }
  syncPath(path)
}

function syncPath(path: string): void {
  // Windows opens no folder for reading.
  if (process.platform === "win32") return
  const descriptor = openSync(path, "r")
  fsyncSync(descriptor)
  closeSync(descriptor)
}
