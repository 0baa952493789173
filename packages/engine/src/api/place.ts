import * as z from "zod"
import { ChatError } from "../core/errors.ts"

/** Where a page of a list ended: a row's time and id. */
export interface Place {
  time: string
  id: string
}

export const encodePlace = ({ time, id }: Place) => Buffer.from(`${time} ${id}`).toString("base64url")

// PostgreSQL knows no year 0.
const place = z.tuple([z.iso.datetime().refine((time) => !time.startsWith("0000")), z.guid()])

/** @throws ChatError `invalid_request` for what no page gave as its `next_cursor` */
export function decodePlace(cursor: string): Place {
  const parsed = place.safeParse(Buffer.from(cursor, "base64url").toString().split(" "))
  if (!parsed.success) throw new ChatError("invalid_request", "cursor: must be the next_cursor of an earlier page.")
  return { time: parsed.data[0], id: parsed.data[1] }
}
