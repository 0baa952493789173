import { type ComponentProps, isValidElement, type ReactNode, useEffect, useRef, useState } from "react"
import { Icon } from "./icons.tsx"
import { texts } from "./texts.ts"

const copiedMs = 2_000

export function CodeBlock({ children }: ComponentProps<"pre">) {
  const box = useRef<HTMLPreElement>(null)
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return undefined
    const timer = setTimeout(() => setCopied(false), copiedMs)
    return () => clearTimeout(timer)
  }, [copied])
  const copy = () => {
    navigator.clipboard.writeText(box.current?.textContent ?? "").then(
      () => setCopied(true),
      () => setCopied(false),
    )
  }
  const language = languageOf(children)
  return (
    <figure className="code">
      <figcaption className="code-head">
        <span>{language}</span>
        <button type="button" className="button link" onClick={copy}>
          <Icon name={copied ? "done" : "copy"} size={16} />
          <span aria-live="polite">{copied ? texts.reply.copied : texts.reply.copy}</span>
        </button>
      </figcaption>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- the keyboard must be able to scroll it */}
      <pre ref={box} dir="ltr" tabIndex={0}>
        {children}
      </pre>
    </figure>
  )
}

function languageOf(code: ReactNode): string {
  if (!isValidElement<{ className?: string }>(code)) return texts.reply.code
  return /language-(\S+)/.exec(code.props.className ?? "")?.[1] ?? texts.reply.code
}
