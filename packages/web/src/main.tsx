import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { App } from "./app.tsx"
import "@fontsource-variable/literata/wght.css"
import "@fontsource-variable/literata/wght-italic.css"
import { speakLanguage } from "./languages.ts"
import "./styles/base.css"
import "./styles/layout.css"
import "./styles/sidebar.css"
import "./styles/calendar.css"
import "./styles/dialog.css"
import "./styles/search.css"
import "./styles/scene.css"
import "./styles/transcript.css"
import "./styles/prose.css"
import "./styles/composer.css"
import "./styles/welcome.css"

const root = document.getElementById("root")
if (root === null) throw new Error("index.html has no #root")
await speakLanguage()
createRoot(root).render(
  <StrictMode>
    <App url={location.origin} />
  </StrictMode>,
)
