import { execFile } from "node:child_process"
import { createRequire } from "node:module"
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { LocalRegistry } from "./local-registry.ts"

const run = promisify(execFile)
const root = join(import.meta.dirname, "../../../..")
const workspaces = ["protocol", "client", "engine"]
const unpacked = new Set(["dist", "test", "node_modules", ".grizz"])

/** Workspaces as `npm pack` gives them, installed by npm into an empty folder. */
export class PublishedPackages {
  readonly #folder: string
  /** Where they are installed. */
  readonly project: string
  readonly #registry: LocalRegistry

  private constructor(folder: string, registry: LocalRegistry) {
    this.#folder = folder
    this.project = join(folder, "project")
    this.#registry = registry
  }

  /**
   * Builds and packs a copy, so that the workspace stays as it is for whoever else is at work.
   * @param packed names without their scope, each after those it builds on; all when left out
   */
  static async install(packed: readonly string[] = workspaces): Promise<PublishedPackages> {
    const folder = await mkdtemp(join(tmpdir(), "grizz-packages-"))
    const packages = new PublishedPackages(folder, await LocalRegistry.start())
    const copy = join(folder, "repository")
    await copyRepository(copy)
    for (const name of packed) {
      await run("npm", ["pack", "--pack-destination", folder], { cwd: join(copy, "packages", name) })
    }
    const tarballs = (await readdir(folder)).filter((name) => name.endsWith(".tgz")).map((name) => join(folder, name))
    await mkdir(packages.project)
    await writeFile(join(packages.project, "package.json"), '{ "type": "module" }')
    const cache = join(folder, "cache")
    const registry = `--registry=${packages.#registry.url}`
    await run("npm", ["install", registry, `--cache=${cache}`, "--no-audit", "--no-fund", ...tarballs], {
      cwd: packages.project,
    })
    return packages
  }

  /** Names of what npm took from the registry. */
  get taken(): readonly string[] {
    return this.#registry.asked
  }

  path(name: string): string {
    return join(this.project, name)
  }

  /** Makes packages of this repository available to the project. */
  async link(...names: string[]): Promise<void> {
    for (const name of names) {
      const target = this.path(`node_modules/${name}`)
      await mkdir(dirname(target), { recursive: true })
      await symlink(join(root, "node_modules", name), target)
    }
  }

  async write(name: string, text: string): Promise<string> {
    await writeFile(this.path(name), text)
    return this.path(name)
  }

  /** What a program of the project prints. */
  async output(node: string, name: string): Promise<string> {
    return (await run(node, [this.path(name)], { cwd: this.project })).stdout
  }

  /** What the compiler says against a file of the project, under these options; empty when nothing. */
  async complaints(name: string, options: Record<string, unknown> = {}): Promise<string> {
    const base = { target: "es2024", strict: true, noEmit: true, types: [], allowImportingTsExtensions: true }
    const compilerOptions = { ...base, module: "nodenext", moduleResolution: "nodenext", ...options }
    const config = await this.write("tsconfig.json", JSON.stringify({ compilerOptions, files: [name] }))
    const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"))
    return run(process.execPath, [join(typescript, "bin/tsc"), "-p", config]).then(
      () => "",
      ({ stdout }: { stdout: string }) => stdout,
    )
  }

  /** The files of an installed package, by their paths in it. */
  async files(name: string): Promise<Map<string, string>> {
    const folder = this.path(`node_modules/@grizz/${name}`)
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
    const texts = paths.map(async (path) => [path.slice(folder.length + 1), await readFile(path, "utf8")] as const)
    return new Map(await Promise.all(texts))
  }

  /** The manifest of a package of the copy, after it was packed, and the workspace's own. */
  async manifests(name: string): Promise<string[]> {
    const folders = [join(this.#folder, "repository"), root]
    return Promise.all(folders.map((folder) => readFile(join(folder, "packages", name, "package.json"), "utf8")))
  }

  async remove(): Promise<void> {
    await this.#registry.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** The workspaces' sources, with the packages that are installed beside them; the copies see each other. */
async function copyRepository(copy: string): Promise<void> {
  const packages = join(root, "packages")
  await cp(packages, join(copy, "packages"), {
    recursive: true,
    filter: (path) => !unpacked.has(path.slice(packages.length + 1).split("/")[1] ?? ""),
  })
  for (const name of ["tsconfig.json", "tsconfig.build.json", "package-lock.json"]) {
    await cp(join(root, name), join(copy, name))
  }
  const modules = join(copy, "node_modules")
  await mkdir(join(modules, "@grizz"), { recursive: true })
  for (const name of (await readdir(join(root, "node_modules"))).filter((name) => name !== "@grizz")) {
    await symlink(join(root, "node_modules", name), join(modules, name))
  }
  for (const name of [...workspaces, "web"]) await symlink(join(copy, "packages", name), join(modules, "@grizz", name))
}
