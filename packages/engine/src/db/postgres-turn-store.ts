import { type ReplyEndStatus, replyEndStatuses } from "@grizz/protocol/constants"
import type { StoredTurn, TurnStore } from "../ports.ts"
import type { Database, Statement } from "./database.ts"
import { type EndJson, endJson, type MessageJson, messageJson, toMessage, toReplyUsage } from "./rows.ts"

const findTurn: Statement = {
  name: "grizz_find_turn",
  text: `select r.conversation_id::text as conversation_id, r.position, r.status, ${endJson} as ending,
      (select ${messageJson} from public.messages m where m.id = r.message_id and m.role = 'user') as message,
      (select ${messageJson} from public.messages m where m.id = r.id) as answer
    from grizz.replies r where r.id = $2::uuid and r.user_id = $1::uuid`,
}

interface TurnRow {
  conversation_id: string
  position: number
  status: string
  ending: EndJson
  message: MessageJson | null
  answer: MessageJson | null
}

/** One message with one reply to it, in PostgreSQL. */
export class PostgresTurnStore implements TurnStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async find(userId: string, replyId: string): Promise<StoredTurn | null> {
    const [row] = await this.#database.query<TurnRow>(findTurn, [userId, replyId])
    return row === undefined ? null : toTurn(row)
  }
}

function toTurn({
  conversation_id: conversationId,
  position,
  status,
  ending,
  message,
  answer,
}: TurnRow): StoredTurn | null {
  const { reply_id: id, message_id: messageId, attempt, error_code: errorCode } = ending
  if (message === null) return null
  const turn = {
    message: toMessage(conversationId, message),
    reply: { id, conversationId, messageId, position, attempt },
  }
  if (!isEnded(status)) return { ...turn, end: null }
  if (answer === null) return null
  const reply = toMessage(conversationId, answer)
  return { ...turn, end: { replyId: id, attempt, status, message: reply, errorCode, usage: toReplyUsage(ending) } }
}

const isEnded = (status: string): status is ReplyEndStatus => replyEndStatuses.some((known) => known === status)
