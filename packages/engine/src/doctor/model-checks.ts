import * as z from "zod"
import type { LlmConfig } from "../core/config.ts"
import { openaiEmbedder } from "../llm/openai-embedder.ts"
import { clockFinding } from "./clock.ts"
import { type Finding, fail, ok, reasonOf, warn } from "./finding.ts"

const name = "model"
const timeoutMs = 5000
const modelList = z.object({ data: z.array(z.object({ id: z.string() })) })

/** Whether the model's endpoint answers, takes the key and has the model; and what its clock says. */
export async function modelFindings({ endpoint, model }: LlmConfig): Promise<Finding[]> {
  if (endpoint === null) {
    return [warn(name, "The built-in offline model answers.", "set OPENAI_API_KEY or OPENAI_BASE_URL for a real one")]
  }
  const headers: Record<string, string> = { accept: "application/json" }
  if (endpoint.apiKey !== null) headers["authorization"] = `Bearer ${endpoint.apiKey}`
  try {
    const askedAtMs = Date.now()
    const response = await fetch(`${endpoint.baseUrl}/models`, { headers, signal: AbortSignal.timeout(timeoutMs) })
    const text = await response.text()
    const finding = judge(response.status, text, model)
    const toldMs = Date.parse(response.headers.get("date") ?? "")
    if (Number.isNaN(toldMs)) return [finding]
    // The header has whole seconds, rounded down.
    return [finding, clockFinding("model clock", (askedAtMs + Date.now()) / 2 - toldMs - 500)]
  } catch (error) {
    return [fail(name, `The endpoint cannot be reached: ${reasonOf(error)}.`, "check OPENAI_BASE_URL and the network")]
  }
}

/** How long a reply waits for the vector of its question. */
const embeddingMs = 50

/** Whether the embeddings model answers, and soon enough for replies; nothing where none is named. */
export async function embeddingsFindings({ endpoint, embeddingsModel: model }: LlmConfig): Promise<Finding[]> {
  if (endpoint === null || model === null) return []
  const embedder = openaiEmbedder({ ...endpoint, model, timeoutMs })
  const { signal } = new AbortController()
  try {
    // The first call also makes the connection, as a reply's mostly does not.
    await embedder.embed(["Does it answer?"], signal)
    const askedAtMs = performance.now()
    const [vector] = await embedder.embed(["Does it answer?"], signal)
    const tookMs = Math.ceil(performance.now() - askedAtMs)
    const sentence = `${model} answers with ${vector!.length} dimensions in ${tookMs} ms`
    if (tookMs <= embeddingMs) return [ok("embeddings", `${sentence}.`)]
    const remedy = "use an endpoint that is nearer; what was said is found by words without"
    return [warn("embeddings", `${sentence}, and replies wait for ${embeddingMs} at most.`, remedy)]
  } catch (error) {
    const remedy = "check EMBEDDINGS_MODEL; what was said is found by words without"
    return [warn("embeddings", `${model} cannot be used: ${reasonOf(error)}.`, remedy)]
  }
}

function judge(status: number, text: string, model: string): Finding {
  if (status === 401 || status === 403) return fail(name, "The endpoint refuses the key.", "check OPENAI_API_KEY")
  if (status === 429) return warn(name, "The endpoint says that it is asked too much.", "check the account's limits")
  if (status === 404)
    return warn(name, "The endpoint answers, but lists no models.", "try a message: it may work all the same")
  if (status !== 200) return fail(name, `The endpoint answers with status ${status}.`, "check OPENAI_BASE_URL")
  const models = modelList.safeParse(parseJson(text))
  if (!models.success) return fail(name, "What answers is no model endpoint.", "check OPENAI_BASE_URL; it ends in /v1")
  if (models.data.data.some(({ id }) => id === model)) return ok(name, `The endpoint takes the key and has ${model}.`)
  return warn(name, `The endpoint takes the key, but does not list ${model}.`, "check OPENAI_MODEL")
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // No list of models either way.
    return null
  }
}
