import { execFile } from "node:child_process"
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { promisify } from "node:util"
import { build } from "vite"

const run = promisify(execFile)
const folder = import.meta.dirname
const root = join(folder, "../../../..")
const pages = join(root, "docs/sdk")
const standIns = join(folder, "stand-ins")
const aliases = {
  "@supabase/supabase-js": join(standIns, "supabase.ts"),
  "@react-native-async-storage/async-storage": join(standIns, "async-storage.ts"),
  "react-native": join(standIns, "react-native.tsx"),
}

/** One block of code of a page. */
export interface DocExample {
  /** Page and file, such as `first-chat/chat.ts`. */
  name: string
  code: string
}

/** Every block of code that is a program, of every page. @throws Error for one without a name */
export async function readExamples(): Promise<DocExample[]> {
  const examples: DocExample[] = []
  for (const page of (await readdir(pages)).filter((name) => name.endsWith(".md"))) {
    const text = await readFile(join(pages, page), "utf8")
    for (const [, info = "", code = ""] of text.matchAll(/^```(.+)\n([^]*?)^```$/gm)) {
      const [language, file] = info.split(" ")
      if (file === undefined || !file.endsWith(`.${language}`))
        throw new Error(`${page}: a block needs a name: ${info}`)
      examples.push({ name: `${basename(page, ".md")}/${file}`, code })
    }
  }
  return examples
}

/** The examples as files of a folder of their own, which has what the SDK's folder has to import. */
export class ExampleFolder {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /** @param engineUrl what takes the place of the URL in the pages */
  static async write(examples: readonly DocExample[], engineUrl: string): Promise<ExampleFolder> {
    const path = await mkdtemp(join(tmpdir(), "grizz-examples-"))
    await symlink(join(root, "node_modules"), join(path, "node_modules"))
    for (const { name, code } of examples) {
      await mkdir(dirname(join(path, name)), { recursive: true })
      await writeFile(join(path, name), code.replaceAll("http://localhost:8000", engineUrl))
    }
    const paths = Object.fromEntries(Object.entries(aliases).map(([name, file]) => [name, [file]]))
    const tsconfig = {
      extends: join(root, "tsconfig.json"),
      compilerOptions: { paths, types: ["node"] },
      include: ["**/*"],
    }
    await writeFile(join(path, "package.json"), '{ "type": "module" }')
    await writeFile(join(path, "tsconfig.json"), JSON.stringify(tsconfig))
    return new ExampleFolder(path)
  }

  remove(): Promise<void> {
    return rm(this.#path, { recursive: true, force: true })
  }

  /** What the compiler says against them; empty when nothing. */
  async complaints(): Promise<string> {
    const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"))
    const compile = run(process.execPath, [join(typescript, "bin/tsc"), "--noEmit", "-p", this.#path])
    return compile.then(
      () => "",
      ({ stdout }: { stdout: string }) => stdout,
    )
  }

  /** Runs one as a program of its own, to its end. Gives back what it printed. */
  async output(name: string, engineUrl: string): Promise<string> {
    const register = join(standIns, "register.mjs")
    const env = { ...process.env, ENGINE_URL: engineUrl, NODE_NO_WARNINGS: "1" }
    const { stdout } = await run(process.execPath, ["--import", register, join(this.#path, name)], { env })
    return stdout
  }

  /** One as a script for a page. */
  async script(name: string): Promise<string> {
    const built = await build({
      configFile: false,
      logLevel: "error",
      define: { "process.env.NODE_ENV": '"production"' },
      oxc: { jsx: { development: false } },
      resolve: { alias: aliases },
      build: {
        write: false,
        target: "esnext",
        rolldownOptions: { input: join(this.#path, name), output: { codeSplitting: false } },
      },
    })
    const [output] = Array.isArray(built) ? built : [built]
    if (output === undefined || !("output" in output)) throw new Error(`${name} was not built`)
    const code = output.output.find((chunk) => chunk.type === "chunk" && chunk.isEntry)
    return code?.type === "chunk" ? code.code : ""
  }
}
