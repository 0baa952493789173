import type { limits } from "@grizz/protocol/constants"

// The few of the protocol's limits that this side minds. Their types are its values, so that none can differ, and the
// others are not bundled in.
export const contentMaxLength: typeof limits.contentMaxLength = 32_000
export const pageDefault: typeof limits.pageDefault = 50
export const pageMax: typeof limits.pageMax = 200
