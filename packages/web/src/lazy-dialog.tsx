import type { GrizzClient } from "@grizz/client"
import { type ComponentType, useEffect, useRef, useState } from "react"
import { texts } from "./texts.ts"

export interface DialogProps {
  client: GrizzClient
  onClose: () => void
}

/** A dialog whose code is loaded when it is opened; out of reach, it says so. `load`: always the same function. */
export function LazyDialog({ load, ...props }: DialogProps & { load: () => Promise<ComponentType<DialogProps>> }) {
  const [Loaded, setLoaded] = useState<ComponentType<DialogProps> | null>(null)
  const [failed, setFailed] = useState(false)
  useEffect(() => {
    load().then(
      (component) => setLoaded(() => component),
      () => setFailed(true),
    )
  }, [load])
  if (Loaded !== null) return <Loaded {...props} />
  return failed ? <FailedDialog onClose={props.onClose} /> : null
}

function FailedDialog({ onClose }: Pick<DialogProps, "onClose">) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog ref={dialog} className="dialog" aria-labelledby="failed-dialog" onClose={onClose}>
      <p id="failed-dialog">{texts.dialog.failed}</p>
      <button type="button" className="button" onClick={() => dialog.current?.close()}>
        {texts.dialog.close}
      </button>
    </dialog>
  )
}
