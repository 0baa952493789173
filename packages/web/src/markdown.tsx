import { type ComponentProps, memo, useMemo } from "react"
import ReactMarkdown, { type Components } from "react-markdown"
import rehypeSanitize from "rehype-sanitize"
import remarkGfm from "remark-gfm"
import { CodeBlock } from "./code-block.tsx"
import { splitBlocks } from "./markdown-blocks.ts"
import { texts } from "./texts.ts"

/** A model's markdown: no HTML, no image, no link that is not http, https or mailto. */
export function Markdown({ text, streaming }: { text: string; streaming: boolean }) {
  const blocks = useMemo(() => splitBlocks(text), [text])
  return (
    <div className="prose" dir="auto" data-streaming={streaming}>
      {blocks.map((block, index) => (
        // Blocks are only ever added at the end, so their index names them.
        // oxlint-disable-next-line react/no-array-index-key
        <Block key={index} text={block} />
      ))}
    </div>
  )
}

const Block = memo(function Block({ text }: { text: string }) {
  return (
    <ReactMarkdown
      remarkPlugins={remarkPlugins}
      rehypePlugins={rehypePlugins}
      components={components}
      urlTransform={safeUrl}
    >
      {text}
    </ReactMarkdown>
  )
})

interface HastNode {
  type: string
  value?: string
  children?: HastNode[]
}

/** HTML in the text is shown as the text that it is, instead of vanishing. */
function htmlAsText() {
  const visit = (node: HastNode): void => {
    if (node.type === "raw") node.type = "text"
    node.children?.forEach(visit)
  }
  return visit
}

const remarkPlugins = [remarkGfm]
const rehypePlugins = [htmlAsText, rehypeSanitize]

/** Empty for anything that could do more than lead to a page or a letter. */
export function safeUrl(url: string): string {
  return /^(https?:\/\/|mailto:)/i.test(url) ? url : ""
}

function SafeLink({ href, children }: ComponentProps<"a">) {
  if (href === undefined || href === "") return <span>{children}</span>
  return (
    <a href={href} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  )
}

/** A remote image would tell its server who reads; a link lets the reader decide. */
function ImageLink({ src, alt }: ComponentProps<"img">) {
  const name = alt === undefined || alt === "" ? texts.reply.image : alt
  return <SafeLink href={typeof src === "string" ? src : ""}>{name}</SafeLink>
}

/** One level for all: a page in which every answer began its own outline could not be walked. */
function Heading({ children, node }: ComponentProps<"h3"> & { node?: { tagName: string } | undefined }) {
  return <h3 data-level={node?.tagName.slice(1)}>{children}</h3>
}

function ScrollingTable({ children }: ComponentProps<"table">) {
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- the keyboard must be able to scroll it
    <div className="table-scroll" tabIndex={0}>
      <table>{children}</table>
    </div>
  )
}

function TaskMark({ checked }: ComponentProps<"input">) {
  return <input type="checkbox" checked={checked} disabled aria-label={texts.reply.task(checked === true)} />
}

const components: Components = {
  a: SafeLink,
  img: ImageLink,
  input: TaskMark,
  pre: CodeBlock,
  table: ScrollingTable,
  h1: Heading,
  h2: Heading,
  h3: Heading,
  h4: Heading,
  h5: Heading,
  h6: Heading,
}
