import react from "@vitejs/plugin-react"
import { defineConfig } from "vite"

const engine = process.env["GRIZZ_URL"] ?? "http://127.0.0.1:8000"

export default defineConfig({
  root: import.meta.dirname,
  base: "/",
  plugins: [react()],
  build: { target: "es2023", emptyOutDir: true, modulePreload: { polyfill: false } },
  // `npx vite` in this folder serves the page with reloads, from an engine that runs beside it.
  server: {
    proxy: { "^/(app|dev|conversations|memories|replies|search)(/|$)": engine, "/ws": { target: engine, ws: true } },
  },
})
