import { type DestinationStream, type Logger, pino, stdTimeFunctions } from "pino"
import { prettyFactory } from "pino-pretty"
import type { LogConfig } from "./config.ts"
import { redactorOf, redactUrl } from "./redact.ts"

export type { Logger }

export interface LoggerOptions {
  level: LogConfig["level"]
  /** For a person at a terminal; otherwise JSON lines. */
  pretty: boolean
  /** Values that must not appear anywhere, such as keys and passwords. */
  secrets?: readonly string[]
  /** Default: standard output, written synchronously, so that a crash loses no line. */
  stream?: DestinationStream
}

/** The one logger of the process. Every event is one line, and no line holds a secret, whoever wrote it. */
export function createLogger(options: LoggerOptions): Logger {
  const redact = redactorOf(options.secrets ?? [])
  const present = options.pretty ? prettyLine(options.stream === undefined && process.stdout.isTTY) : escapeLine
  return pino(
    {
      level: options.level,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError, error: describeError, req: describeRequest },
      hooks: { streamWrite: (line) => present(redact(line)) },
    },
    options.stream ?? pino.destination({ fd: 1, sync: true }),
  )
}

const maxMessageLength = 4096
const maxCauses = 4

export interface DescribedError {
  type: string
  message: string
  code?: string
  stack?: string
  cause?: DescribedError
}

/**
 * An error for the log: its name, code, message, stack and causes, and nothing else that it carries. A driver's error
 * holds rows and parameters, and those hold what users wrote.
 */
export function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: shorten(String(error)) }
  const described: DescribedError = { type: error.name, message: shorten(error.message) }
  if ("code" in error && typeof error.code === "string") described.code = error.code
  if (error.stack !== undefined) described.stack = shorten(framesOf(error.stack))
  const cause = error instanceof AggregateError ? (error.cause ?? error.errors[0]) : error.cause
  if (cause !== undefined && depth < maxCauses) described.cause = describeError(cause, depth + 1)
  return described
}

function framesOf(stack: string): string {
  return stack
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .map((line) => line.trim())
    .join("\n")
}

function shorten(text: string): string {
  return text.length <= maxMessageLength ? text : `${text.slice(0, maxMessageLength)}… (${text.length} characters)`
}

interface LoggedRequest {
  method?: string
  url?: string
  ip?: string
}

function describeRequest(request: LoggedRequest): LoggedRequest {
  return {
    ...(request.method !== undefined && { method: request.method }),
    ...(request.url !== undefined && { url: redactUrl(request.url) }),
    ...(request.ip !== undefined && { ip: request.ip }),
  }
}

// JSON escapes the controls below U+0020. Some readers and terminals also act on DEL, C1 (U+0085 is a new line), the
// line separators and the marks that turn the direction of writing.
const lineBreakers = /[\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

function escapeLine(line: string): string {
  return line.replace(lineBreakers, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)
}

function prettyLine(colorize: boolean): (line: string) => string {
  const format = prettyFactory({
    colorize,
    singleLine: true,
    ignore: "pid,hostname",
    translateTime: "SYS:HH:MM:ss.l",
    errorLikeObjectKeys: [],
  })
  return (line) => format(escapeLine(line).replace(/\\(?:u[0-9a-f]{4}|.)/g, keepEscaped))
}

/** Once parsed, what was a control character is still its escape, so that a terminal shows it and does not obey. */
function keepEscaped(escape: string): string {
  return escape === "\\\\" || escape === '\\"' || escape === "\\/" ? escape : `\\${escape}`
}
