/**
 * What others wrote, as a terminal may have it: without control characters, which could move the cursor, colour what
 * follows, or set the clipboard. Lines and tabs stay.
 */
export function terminalText(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}/gu, "")
}
