/** A random UUID (version 4). An id of a message is no secret, so a platform without `crypto` may use Math.random. */
export function randomUuid(): string {
  // Browsers offer randomUUID only on https and localhost; React Native has no crypto of its own.
  if (typeof crypto !== "undefined" && typeof crypto.randomUUID === "function") return crypto.randomUUID()
  return "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (digit) => {
    const variant = digit === "8" ? 8 + Math.floor(Math.random() * 4) : Math.floor(Math.random() * 16)
    return variant.toString(16)
  })
}
