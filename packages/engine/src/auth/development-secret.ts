import { randomBytes } from "node:crypto"
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"

const fileName = "dev-secret"

/**
 * The secret that development sign-in signs with, made on first use and kept in `directory` for its owner alone, so that
 * a browser stays signed in across restarts.
 * @throws Error when the directory cannot be written, or the file was tampered with
 */
export async function readDevelopmentSecret(directory: string): Promise<string> {
  const path = join(directory, fileName)
  const secret = (await readIfExists(path)) ?? (await makeSecret(directory, path))
  if (!/^[\da-f]{64}$/.test(secret)) throw new Error(`${path} does not hold a secret: delete it, and start again`)
  return secret
}

async function makeSecret(directory: string, path: string): Promise<string> {
  await mkdir(directory, { recursive: true })
  const draft = `${path}.${randomBytes(6).toString("hex")}`
  await writeFile(draft, randomBytes(32).toString("hex"), { mode: 0o600, flag: "wx" })
  try {
    // A link appears whole or not at all, and never replaces what another process made first.
    await link(draft, path)
  } catch (error) {
    if (!isFileError(error, "EEXIST")) throw error
  } finally {
    await rm(draft)
  }
  return readFile(path, "utf8")
}

async function readIfExists(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8")
  } catch (error) {
    if (isFileError(error, "ENOENT")) return null
    throw error
  }
}

function isFileError(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code
}
