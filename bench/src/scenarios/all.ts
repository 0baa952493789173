import type { Scenario } from "../bench.ts"
import { burst } from "./burst.ts"
import { connect } from "./connect.ts"
import { floods } from "./floods.ts"
import { growth } from "./growth.ts"
import { idle } from "./idle.ts"
import { nodes } from "./nodes.ts"
import { low, paced } from "./paced.ts"
import { paging } from "./paging.ts"
import { recovery } from "./recovery.ts"
import { resume } from "./resume.ts"
import { slow } from "./slow.ts"
import { store } from "./store.ts"
import { today } from "./today.ts"

/** In the order in which they run. */
export const scenarios: readonly Scenario[] = [
  burst,
  paced,
  low,
  slow,
  floods,
  idle,
  connect,
  resume,
  today,
  paging,
  store,
  recovery,
  growth,
  nodes,
]
