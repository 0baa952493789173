import { AxeBuilder } from "@axe-core/playwright"
import type { Page } from "playwright-core"

/** WCAG 2.2 AA by name, because by default axe leaves out the rules that 2.2 added; and what it holds to be good practice. */
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

/** Everything axe finds, one line each. @throws Error when it did not look at the size of what can be pressed */
export async function findingsIn(page: Page): Promise<string[]> {
  const { violations, passes, inapplicable } = await new AxeBuilder({ page }).withTags(tags).analyze()
  const looked = [...violations, ...passes, ...inapplicable].map(({ id }) => id)
  if (!looked.includes("target-size")) throw new Error("axe did not run the rule of WCAG 2.2")
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.html} ${node.any.map((one) => one.message).join(" ")}`),
  )
}
