const listItem = /^([-*+]|\d{1,9}[.)])(\s|$)/
const fence = /^\s*(`{3,}|~{3,})/
const definition = /^ {0,3}\[[^\]]+\]:/m

/**
 * Markdown cut between its top-level blocks, so that a growing text changes only its last piece. The pieces, put
 * together, are the text. Text with link or footnote definitions stays whole, since those reach over blocks.
 */
export function splitBlocks(text: string): string[] {
  if (definition.test(text)) return [text]
  const blocks: string[] = []
  let block = ""
  let openFence: string | null = null
  let afterBlank = false
  for (const line of text.split(/(?<=\n)/)) {
    if (openFence === null && afterBlank && startsBlock(line, block)) {
      blocks.push(block)
      block = ""
    }
    openFence = fenceAfter(line, openFence)
    afterBlank = line.trim() === ""
    block += line
  }
  if (block !== "") blocks.push(block)
  return blocks
}

/** An indented line, or one more item, may belong to the list above it. */
function startsBlock(line: string, block: string): boolean {
  if (/^\s/.test(line)) return false
  return !(listItem.test(block) && listItem.test(line))
}

/** The marks of the code fence that is open after this line, or null. */
function fenceAfter(line: string, open: string | null): string | null {
  const marks = fence.exec(line)?.[1]
  if (marks === undefined) return open
  if (open === null) return marks
  const closes = marks.startsWith(open) && line.trim() === marks
  return closes ? null : open
}
