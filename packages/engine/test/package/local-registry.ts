import { execFile } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { createServer, type Server, type ServerResponse } from "node:http"
import { join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)
const root = join(import.meta.dirname, "../../../..")

interface Manifest {
  name: string
  version: string
}

/** A package registry for npm on loopback, whose packages are those that are installed in the repository. */
export class LocalRegistry {
  readonly #server: Server
  /** Folders by name and version. */
  readonly #folders: Map<string, Map<string, string>>
  /** Packages that were downloaded, in the order of the requests. */
  readonly asked: string[] = []

  private constructor(folders: Map<string, Map<string, string>>) {
    this.#folders = folders
    this.#server = createServer((request, response) => {
      this.#answer(decodeURIComponent(request.url ?? ""), response).catch((error: unknown) => {
        response.writeHead(500).end(String(error))
      })
    })
  }

  static async start(): Promise<LocalRegistry> {
    const lock: unknown = JSON.parse(await readFile(join(root, "node_modules/.package-lock.json"), "utf8"))
    const { packages } = lock as { packages: Record<string, { version?: string; link?: boolean }> }
    const folders = new Map<string, Map<string, string>>()
    for (const [path, { version, link }] of Object.entries(packages)) {
      const name = path.split("node_modules/").at(-1) ?? ""
      // The workspace's own packages come as files.
      if (link === true || version === undefined || !path.startsWith("node_modules/")) continue
      folders.set(name, (folders.get(name) ?? new Map()).set(version, join(root, path)))
    }
    const registry = new LocalRegistry(folders)
    registry.#server.listen(0, "127.0.0.1")
    await once(registry.#server, "listening")
    return registry
  }

  get url(): string {
    const address = this.#server.address()
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : address}/`
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, "close")
  }

  /** `/name` is what there is of a package, `/name/-/version` one of them. */
  async #answer(path: string, response: ServerResponse): Promise<void> {
    const [name = "", version] = path.slice(1).split("/-/")
    const versions = this.#folders.get(name)
    if (versions === undefined) return void response.writeHead(404).end()
    if (version === undefined) return void response.end(JSON.stringify(await this.#document(name, versions)))
    this.asked.push(name)
    const folder = versions.get(version) ?? ""
    const args = ["-cf", "-", "--exclude=./node_modules", "--transform=s,^\\.,package,", "-C", folder, "."]
    const { stdout } = await run("tar", args, { encoding: "buffer", maxBuffer: 2 ** 30 })
    response.end(stdout)
  }

  async #document(name: string, folders: Map<string, string>): Promise<object> {
    const versions: Record<string, object> = {}
    for (const folder of folders.values()) {
      const manifest: Manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8"))
      const dist = { tarball: `${this.url}${name}/-/${manifest.version}` }
      versions[manifest.version] = { ...manifest, dist }
    }
    return { name, versions, "dist-tags": { latest: Object.keys(versions).at(-1) } }
  }
}
