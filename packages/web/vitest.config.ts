import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    name: "web",
    globalSetup: ["./test/support/build-page.ts"],
    include: ["src/**/*.test.{ts,tsx}", "test/**/*.test.ts"],
    // Nothing here measures time: these only end what hangs, also on a machine that is busy with other things.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000 } },
  },
})
