import { execFile } from "node:child_process"
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)
const packageFolder = join(import.meta.dirname, "../..")
const root = join(packageFolder, "../..")

/** The SDK as `npm pack` gives it, unpacked in an empty project. */
export class PublishedSdk {
  readonly #folder: string
  /** A project that has the SDK, and nothing else but what a test links. */
  readonly project: string
  /** The SDK in that project. */
  readonly path: string

  private constructor(folder: string) {
    this.#folder = folder
    this.project = join(folder, "project")
    this.path = join(this.project, "node_modules/@grizz/client")
  }

  /** Builds and packs a copy, so that the workspace stays as it is for whoever else is at work. */
  static async pack(): Promise<PublishedSdk> {
    const folder = await mkdtemp(join(tmpdir(), "grizz-sdk-"))
    const sdk = new PublishedSdk(folder)
    const copy = join(folder, "packages/client")
    const skipped = new Set(["dist", "test", "node_modules"])
    await cp(packageFolder, copy, {
      recursive: true,
      filter: (path) => !skipped.has(path.slice(packageFolder.length + 1)),
    })
    for (const name of ["tsconfig.json", "packages/manifest.ts"]) await cp(join(root, name), join(folder, name))
    await symlink(join(root, "node_modules"), join(folder, "node_modules"))
    await run("npm", ["pack", "--pack-destination", folder], { cwd: copy })
    const tarball = (await readdir(folder)).find((name) => name.endsWith(".tgz")) ?? ""
    await mkdir(sdk.path, { recursive: true })
    await run("tar", ["-xzf", join(folder, tarball), "-C", sdk.path, "--strip-components=1"])
    await writeFile(join(sdk.project, "package.json"), '{ "type": "module" }')
    return sdk
  }

  /** The manifest of the copy, after it was packed. */
  manifestAfterwards(): Promise<string> {
    return readFile(join(this.#folder, "packages/client/package.json"), "utf8")
  }

  /** Makes packages of this repository's available to the project. */
  async link(...names: string[]): Promise<void> {
    for (const name of names) {
      const target = join(this.project, "node_modules", name)
      await mkdir(dirname(target), { recursive: true })
      await symlink(join(root, "node_modules", name), target)
    }
  }

  async write(name: string, text: string): Promise<string> {
    const path = join(this.project, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
    return path
  }

  /** What the compiler says against a file of the project, under these options; empty when nothing. */
  async complaints(name: string, options: Record<string, unknown>): Promise<string> {
    const base = {
      target: "es2023",
      lib: ["es2023", "dom"],
      strict: true,
      noEmit: true,
      types: [],
      skipLibCheck: false,
    }
    const compilerOptions = { ...base, allowImportingTsExtensions: true, ...options }
    const config = await this.write("tsconfig.json", JSON.stringify({ compilerOptions, files: [name] }))
    const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"))
    return run(process.execPath, [join(typescript, "bin/tsc"), "-p", config]).then(
      () => "",
      ({ stdout }: { stdout: string }) => stdout,
    )
  }

  async output(node: string, name: string): Promise<string> {
    return (await run(node, [join(this.project, name)])).stdout
  }

  async files(): Promise<Map<string, string>> {
    const names = await readdir(this.path, { recursive: true, withFileTypes: true })
    const paths = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
    const texts = await Promise.all(
      paths.map(async (path) => [path.slice(this.path.length + 1), await readFile(path, "utf8")] as const),
    )
    return new Map(texts)
  }

  remove(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true })
  }
}
