import { availableParallelism } from "node:os"
import { type Config, ConfigError, type ConfigFlags, configSecrets, readConfig } from "./core/config.ts"
import { redactorOf } from "./core/redact.ts"
import { databaseFindings } from "./doctor/database-checks.ts"
import { type Finding, fail, lineOf, ok, warn } from "./doctor/finding.ts"
import { embeddedDatabaseFindings, openFilesFinding, openFilesLimit, workersFindings } from "./doctor/host-checks.ts"
import { embeddingsFindings, modelFindings } from "./doctor/model-checks.ts"
import { redisFindings } from "./doctor/redis-checks.ts"
import { signInFindings } from "./doctor/sign-in-checks.ts"

type Environment = Record<string, string | undefined>

/**
 * Checks what the engine needs, and prints a line for each: the verdict, a sentence, and a remedy where there is one.
 * Changes nothing. False when something failed.
 */
export async function doctor(env: Environment, flags: ConfigFlags, print: (line: string) => void): Promise<boolean> {
  const { findings, secrets } = await examine(env, flags)
  const redact = redactorOf(secrets)
  for (const finding of findings) print(redact(lineOf(finding)))
  return findings.every(({ verdict }) => verdict !== "fail")
}

async function examine(env: Environment, flags: ConfigFlags): Promise<{ findings: Finding[]; secrets: string[] }> {
  const config = read(env, flags)
  if (Array.isArray(config)) return { findings: config, secrets: [] }
  const { database, redisUrl, auth, llm, workers } = config
  const groups = await Promise.all([
    database.url === null
      ? embeddedDatabaseFindings(".")
      : databaseFindings({ ...database, url: database.url }, workers, llm.embeddingsModel !== null),
    redisFindings(redisUrl),
    signInFindings(auth),
    modelFindings(llm),
    embeddingsFindings(llm),
  ])
  const host = [...workersFindings(workers, availableParallelism()), openFilesFinding(openFilesLimit())]
  const findings = [...configurationFindings(config), ...groups.flat(), ...host]
  return { findings, secrets: configSecrets(config) }
}

/** What is wrong with the environment, where something is: then nothing else can be checked. */
function read(env: Environment, flags: ConfigFlags): Config | Finding[] {
  try {
    return readConfig(env, "start", flags)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message
      .split("\n")
      .map((problem) => fail("configuration", `${problem}.`, "correct it, and run this again"))
  }
}

function configurationFindings({ unused }: Config): Finding[] {
  if (unused.length === 0) return [ok("configuration", "Every variable is valid.")]
  const sentence = `Nothing acts upon ${unused.join(", ")}: there is no model's endpoint.`
  return [warn("configuration", sentence, "set OPENAI_API_KEY or OPENAI_BASE_URL, or unset what you do not need")]
}
