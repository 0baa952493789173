import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    name: "web",
    globalSetup: ["./test/support/build-page.ts"],
    include: ["src/**/*.test.{ts,tsx}", "test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
