import { defineConfig } from "vitest/config"
import { SkippedReporter } from "./vitest.skipped-reporter.ts"

export default defineConfig({
  test: {
    projects: ["packages/*/vitest.config.ts", "bench/vitest.config.ts"],
    reporters: ["default", new SkippedReporter()],
  },
})
