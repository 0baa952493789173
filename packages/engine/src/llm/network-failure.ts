import { invalid, ModelFailure } from "./model-failure.ts"

/** Codes of Node.js and undici for trouble on the way that may be over at the next try. */
const transientNetworkCodes: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_SOCKET",
])

/** The failure that an error of the connection stands for. */
export function failureOfNetwork(error: Error): ModelFailure {
  const code = "code" in error && typeof error.code === "string" ? error.code : "no code"
  if (code === "UND_ERR_CONNECT_TIMEOUT") return connectTimeout()
  // undici's parser error has no code, and quotes what it read.
  if (error.name === "HTTPParserError" || code === "UND_ERR_HEADERS_OVERFLOW") return invalid("its HTTP is malformed")
  return new ModelFailure("model_unavailable", `The connection to the model's provider failed (${code})`, {
    transient: transientNetworkCodes.has(code),
  })
}

export function connectTimeout(): ModelFailure {
  return new ModelFailure("model_timeout", "The model's provider could not be reached in time", { transient: true })
}
