/** The WebSocket subprotocol of the typed protocol. A client that offers none gets plain mode. */
export const SUBPROTOCOL = "grizz.v1"

/** Limits of the wire, PROTOCOL.md section "Limits". Lengths are UTF-16 code units unless the name says bytes. */
export const limits = {
  frameMaxBytes: 256 * 1024,
  contentMaxLength: 32_000,
  metadataMaxBytes: 16 * 1024,
  metadataMaxDepth: 32,
  titleMaxLength: 200,
  memoryMaxLength: 2000,
  searchMaxLength: 500,
  searchPageDefault: 20,
  searchPageMax: 50,
  pageDefault: 50,
  pageMax: 200,
  resumeMaxMessages: 500,
  backlogMaxBytes: 1024 * 1024,
  drainTimeoutMs: 30_000,
  socketsPerUser: 64,
  pingIntervalMs: 25_000,
  sseCommentIntervalMs: 15_000,
  ticketSeconds: 30,
  /** How long before a token's expiry a connection hears of it. */
  authWarningMs: 60_000,
  /** How long after it a running reply may go on to a connection. */
  authGraceMs: 5 * 60_000,
} as const

/** Why a WebSocket was closed; 44xx mirror the HTTP statuses. */
export const closeCodes = {
  badRequest: 4400,
  unauthenticated: 4401,
  notFound: 4404,
  tooSlow: 4408,
  tooMany: 4429,
  tooBig: 1009,
  restarting: 1012,
} as const

/** Codes of a request, frame or connection that was refused. */
export const requestErrorCodes = [
  "invalid_request",
  "unauthenticated",
  "not_found",
  "conflict",
  "reply_in_progress",
  "too_large",
  "rate_limited",
  "unavailable",
  "internal",
] as const
export type RequestErrorCode = (typeof requestErrorCodes)[number]

/** Codes of a reply that ended as `failed`. */
export const replyErrorCodes = [
  "model_timeout",
  "model_unavailable",
  "model_refused",
  "model_invalid",
  "interrupted",
] as const
export type ReplyErrorCode = (typeof replyErrorCodes)[number]

export type ErrorCode = RequestErrorCode | ReplyErrorCode

/** How a reply can end. */
export const replyEndStatuses = ["completed", "stopped", "failed"] as const
export type ReplyEndStatus = (typeof replyEndStatuses)[number]

/** `sent` is a user's message; the others are a reply's. */
export const messageStatuses = ["sent", ...replyEndStatuses] as const
export type MessageStatus = (typeof messageStatuses)[number]
