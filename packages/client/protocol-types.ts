// The protocol's types as declarations of their own, made from its schemas: whoever installs the SDK needs neither the
// protocol's package nor its schema library.
import * as protocol from "@grizz/protocol"

/** The part of JSON Schema that the protocol's schemas come to. */
interface JsonSchema {
  $ref?: string
  const?: unknown
  enum?: readonly unknown[]
  anyOf?: readonly JsonSchema[]
  oneOf?: readonly JsonSchema[]
  type?: string | readonly string[]
  items?: JsonSchema
  properties?: Record<string, JsonSchema>
  required?: readonly string[]
}

interface RootSchema extends JsonSchema {
  $defs?: Record<string, JsonSchema>
}

/** By name; those that others refer to come under the name that they have in the schemas. */
const schemas: Record<string, { toJSONSchema(): object }> = {
  ConversationResource: protocol.conversationResource,
  MessageResource: protocol.messageResource,
  ConversationPage: protocol.conversationPage,
  MessagePage: protocol.messagePage,
  MemoryResource: protocol.memoryResource,
  MemoryPage: protocol.memoryPage,
  MemorySettings: protocol.memorySettings,
  SearchHit: protocol.searchHit,
  SearchPage: protocol.searchPage,
  Turn: protocol.turn,
  PageConfig: protocol.pageConfig,
  RunningReply: protocol.runningReply,
  QueuedReply: protocol.queuedReply,
  ReplyError: protocol.replyError,
  ClientFrame: protocol.clientFrame,
  ServerFrame: protocol.serverFrame,
}
const referredTo: Record<string, string> = {
  Conversation: "ConversationResource",
  Message: "MessageResource",
  Memory: "MemoryResource",
  SearchHit: "SearchHit",
}

/** The text of a module of declarations. @throws Error for a schema that it has no words for */
export function protocolDeclarations(): string {
  const types = Object.entries(schemas).map(([name, schema]) => {
    const root: RootSchema = JSON.parse(JSON.stringify(schema.toJSONSchema()))
    return `export type ${name} = ${typeOf(rootOf(root))}`
  })
  const requestErrorCodes = unionOf(protocol.requestErrorCodes)
  const replyErrorCodes = unionOf(protocol.replyErrorCodes)
  return [
    ...types,
    `export type RequestErrorCode = ${requestErrorCodes}`,
    `export type ReplyErrorCode = ${replyErrorCodes}`,
    "export type ErrorCode = RequestErrorCode | ReplyErrorCode",
    "",
  ].join("\n")
}

/** A schema that has a name of its own refers to itself. */
function rootOf(schema: RootSchema): JsonSchema {
  const own = schema.$ref?.split("/").at(-1)
  return own === undefined ? schema : (schema.$defs?.[own] ?? schema)
}

function typeOf(schema: JsonSchema): string {
  if (schema.$ref !== undefined) return nameOf(schema.$ref)
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return unionOf(schema.enum)
  const options = schema.anyOf ?? schema.oneOf
  if (options !== undefined) return options.map(typeOf).join(" | ")
  if (typeof schema.type === "object") return schema.type.map((type) => typeOf({ ...schema, type })).join(" | ")
  switch (schema.type) {
    case "string":
    case "boolean":
    case "null":
      return schema.type
    case "integer":
    case "number":
      return "number"
    case "array":
      return `(${typeOf(schema.items ?? {})})[]`
    case "object":
      return objectOf(schema)
    case undefined:
    default:
      throw new Error(`No type for ${JSON.stringify(schema)}`)
  }
}

function objectOf({ properties, required = [] }: JsonSchema): string {
  if (properties === undefined) return "Record<string, unknown>"
  const members = Object.entries(properties).map(([name, schema]) =>
    required.includes(name) ? `${name}: ${typeOf(schema)}` : `${name}?: ${typeOf(schema)} | undefined`,
  )
  return `{ ${members.join("; ")} }`
}

function nameOf(reference: string): string {
  const name = referredTo[reference.split("/").at(-1) ?? ""]
  if (name === undefined) throw new Error(`No name for ${reference}`)
  return name
}

function unionOf(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value)).join(" | ")
}
