/**
 * One conversation's names in Redis. The braces make Cluster keep the key's calls on one node; the version keeps
 * releases apart that would not understand each other.
 */
export const streamKey = (conversationId: string) => `grizz:{${conversationId}}:v1:reply`
export const channelOf = (conversationId: string) => `grizz:{${conversationId}}:v1:live`

/** How long a stream outlives its last renewal, in ms. A running reply renews it every second. */
export const streamTtlMs = 5 * 60_000

/**
 * The first half of a stream id. It orders replies by position, then attempt, so that Redis itself refuses whatever an
 * earlier owner still writes. Positions have 31 bits and attempts 16: exact in the doubles of Lua and JavaScript.
 */
export const groupOf = ({ position, attempt }: { position: number; attempt: number }) => position * 65_536 + attempt

/**
 * Appends to the stream and publishes, both or neither. KEYS: the stream. ARGV: channel, group, sequence in the group,
 * id of the entry before it (empty: the entry says everything, and replaces what is there), payload, time to live in ms,
 * and "1" to store the payload, "0" to publish it only.
 * Answers `done`, `fenced` (a later attempt or reply has begun) or `behind` (the entry before it is not the last one).
 */
export const appendLua = `
local top = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if top and tonumber(string.match(top[1], '^%d+')) > tonumber(ARGV[2]) then return 'fenced' end
if ARGV[4] ~= '' and not (top and top[1] == ARGV[4]) then return 'behind' end
if ARGV[7] == '1' then
  local id = ARGV[2] .. '-' .. ARGV[3]
  if ARGV[4] == '' then redis.call('XADD', KEYS[1], 'MAXLEN', '1', id, 'e', ARGV[5])
  else redis.call('XADD', KEYS[1], id, 'e', ARGV[5]) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('PUBLISH', ARGV[1], ARGV[5])
return 'done'
`

/** Ends the stream for good: the text goes, and the highest id fences out every writer. ARGV: channel, payload, ms. */
export const dropLua = `
redis.call('DEL', KEYS[1])
redis.call('XADD', KEYS[1], '18446744073709551615-1', 'e', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 'done'
`

/** Forgets the text of the stream, and keeps its highest id, which fences. ARGV: channel, payload. */
export const eraseLua = `
redis.call('XTRIM', KEYS[1], 'MAXLEN', '0')
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 'done'
`

export type AppendOutcome = "done" | "fenced" | "behind"
