import { createHash, randomBytes } from "node:crypto"
import { limits } from "@grizz/protocol/constants"
import type { Ticket, TicketStore, VerifiedUser } from "../ports.ts"
import type { Database, Statement } from "./database.ts"

/** Takes some expired ones along, so that those that nobody used do not pile up and no timer is needed. */
const issueTicket: Statement = {
  name: "grizz_issue_ticket",
  text: `with purged as (
      delete from grizz.tickets where hash in (
        select t.hash from grizz.tickets t where t.expires_at < now() order by t.expires_at limit 10 for update skip locked
      )
    )
    insert into grizz.tickets (hash, user_id, session_until, expires_at)
    values (decode($1, 'hex'), $2::uuid, to_timestamp($3::float8 / 1000), now() + $4::text::interval)
    returning grizz.rfc3339(expires_at) as expires_at`,
}

/** One statement, so that of any number of tries on any node one gets the row. */
const redeemTicket: Statement = {
  name: "grizz_redeem_ticket",
  text: `delete from grizz.tickets where hash = decode($1, 'hex') and expires_at > now()
    returning user_id::text as user_id, extract(epoch from session_until)::text as session_until_seconds`,
}

/** 32 bytes as base64url. */
const pattern = /^[\w-]{43}$/

/** Tickets in PostgreSQL, by their hash. */
export class PostgresTicketStore implements TicketStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async issue({ userId, expiresAt }: VerifiedUser): Promise<Ticket> {
    const ticket = randomBytes(32).toString("base64url")
    const parameters = [hashOf(ticket), userId, expiresAt, `${limits.ticketSeconds} seconds`]
    const [row] = await this.#database.query<{ expires_at: string }>(issueTicket, parameters)
    return { ticket, expiresAt: row!.expires_at }
  }

  async redeem(ticket: string): Promise<VerifiedUser | null> {
    if (!pattern.test(ticket)) return null
    const [row] = await this.#database.query<{ user_id: string; session_until_seconds: string }>(redeemTicket, [
      hashOf(ticket),
    ])
    if (row === undefined) return null
    return { userId: row.user_id, expiresAt: Math.floor(Number(row.session_until_seconds) * 1000) }
  }
}

const hashOf = (ticket: string): string => createHash("sha256").update(ticket).digest("hex")
