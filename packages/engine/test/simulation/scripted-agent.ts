import type { ChatAgent } from "../../src/agents/chat-agent.ts"
import { ReplyFailure } from "../../src/core/errors.ts"
import type { ModelResult } from "../../src/ports.ts"
import type { AuditedLog } from "./audited-log.ts"
import type { Ledger } from "./ledger.ts"
import type { ProcessLife } from "./process-life.ts"

/** A model call under way, which says and does what the seed decides. */
export interface RunningCall {
  readonly life: ProcessLife
  say(text: string): void
  finish(): void
  fail(): void
}

export interface ScriptedAgentOptions {
  life: ProcessLife
  log: AuditedLog
  ledger: Ledger
  /** Calls under way, of all processes. */
  running: Set<RunningCall>
}

/** The model as the engine sees it: an abort ends its call at once. */
export function scriptedAgent({ life, log, ledger, running }: ScriptedAgentOptions): ChatAgent {
  return {
    answer: ({ onText, signal }) =>
      new Promise<ModelResult>((resolve, reject) => {
        const reply = log.begun!
        const call = ledger.modelCalled(reply)
        const settle = (task: () => void) => {
          running.delete(scripted)
          task()
        }
        const scripted: RunningCall = {
          life,
          say: (text) => {
            ledger.produced(life.owner, reply)
            call.said += text
            onText(text)
          },
          finish: () => settle(() => resolve({ finishReason: "stop", usage: null, model: "scripted" })),
          fail: () => settle(() => reject(new ReplyFailure("model_unavailable", "The model went away."))),
        }
        signal.addEventListener("abort", () => settle(() => reject(signal.reason)), { once: true })
        running.add(scripted)
      }),
  }
}
