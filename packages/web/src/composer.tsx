import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from "react"
import { Icon } from "./icons.tsx"
import { texts } from "./texts.ts"

/** As the engine counts: UTF-16 units. */
const maxLength = 32_000
const warnFrom = 30_000

interface ComposerProps {
  /** A reply is being written, or waits. */
  running: boolean
  stopping: boolean
  onSend: (text: string) => void
  onStop: () => void
}

export function Composer({ running, stopping, onSend, onStop }: ComposerProps) {
  const [text, setText] = useState("")
  const field = useRef<HTMLTextAreaElement>(null)
  // On a touch screen the focus would bring up the keyboard, over the greeting and over what is being read.
  const focusIfTyping = () => {
    if (!matchMedia("(pointer: coarse)").matches) field.current?.focus({ preventScroll: true })
  }
  useEffect(focusIfTyping, [])

  const blank = text.trim() === ""
  const sendable = !blank && text.length <= maxLength
  const send = () => {
    if (!sendable) return
    onSend(text)
    setText("")
    field.current?.style.removeProperty("height")
    field.current?.focus()
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    send()
  }
  const sendOnEnter = (event: KeyboardEvent) => {
    // While an input method composes, Enter chooses a candidate; Safari tells so only by the key code.
    const composing = event.nativeEvent.isComposing || event.keyCode === 229
    if (event.key !== "Enter" || event.shiftKey || composing) return
    event.preventDefault()
    send()
  }
  const stop = () => {
    onStop()
    focusIfTyping()
  }
  return (
    <form className="composer" onSubmit={submit}>
      <label className="visually-hidden" htmlFor="message">
        {texts.composer.label}
      </label>
      <textarea
        ref={field}
        id="message"
        rows={1}
        // Without a text of its own, the direction of the hint.
        dir={text === "" ? undefined : "auto"}
        value={text}
        placeholder={texts.composer.placeholder}
        enterKeyHint="send"
        aria-describedby="message-hint"
        onChange={(event) => {
          setText(event.target.value)
          fitHeight(event.target)
        }}
        onKeyDown={sendOnEnter}
      />
      <span id="message-hint" className="visually-hidden">
        {texts.composer.hint}
      </span>
      {text.length > warnFrom && (
        <output className="composer-count" data-over={text.length > maxLength}>
          {texts.composer.left(maxLength - text.length)}
        </output>
      )}
      {running && (
        <button
          type="button"
          className="round-button stop"
          onClick={stop}
          aria-disabled={stopping}
          aria-label={stopping ? texts.composer.stopping : texts.composer.stop}
        >
          <span className="stop-square" aria-hidden="true" />
        </button>
      )}
      {(!running || !blank) && (
        <button type="submit" className="round-button send" disabled={!sendable} aria-label={texts.composer.send}>
          <Icon name="send" />
        </button>
      )}
    </form>
  )
}

/** As high as its text, up to what the style sheet allows. */
function fitHeight(area: HTMLTextAreaElement): void {
  area.style.height = "auto"
  area.style.height = `${area.scrollHeight}px`
}
