import { texts } from "./texts.ts"

/** A language's texts. What it leaves out is said in English. */
export type Translation = PartOf<typeof texts>

type PartOf<Table> = {
  [Key in keyof Table]?: Table[Key] extends (...given: infer Given) => string
    ? (...given: Given) => string
    : Table[Key] extends string | readonly string[]
      ? Table[Key]
      : PartOf<Table[Key]>
}

interface Language {
  /** As its speakers call it. */
  name: string
  dir: "ltr" | "rtl"
  /** Null for the language that the page carries. */
  load: (() => Promise<Translation>) | null
}

/** Every language of the page, by its code. One more is a file of texts and a line here. */
export const languages: Readonly<Record<string, Language>> = {
  en: { name: "English", dir: "ltr", load: null },
  de: { name: "Deutsch", dir: "ltr", load: async () => (await import("./languages/german.ts")).german },
  ar: { name: "العربية", dir: "rtl", load: async () => (await import("./languages/arabic.ts")).arabic },
}

const storageKey = "grizz.language"

/** Puts the texts of the chosen language, or else of the browser's, in place. To be called before anything is shown. */
export async function speakLanguage(): Promise<void> {
  const code = languageOf([localStorage.getItem(storageKey) ?? "", ...navigator.languages])
  const language = languages[code]
  // Out of reach, it leaves the page in English.
  const translation = await language?.load?.().catch(() => null)
  if (language === undefined || translation === null) return
  if (translation !== undefined) translate(texts, translation)
  document.documentElement.lang = code
  document.documentElement.dir = language.dir
}

/** The first of the wanted languages that the page has; English when it has none. */
export function languageOf(wanted: readonly string[]): string {
  const codes = wanted.map((one) => one.toLowerCase().split("-")[0] ?? "")
  return codes.find((code) => Object.hasOwn(languages, code)) ?? "en"
}

/** Begins the page anew: a reply that is being written goes on. */
export function chooseLanguage(code: string): void {
  localStorage.setItem(storageKey, code)
  location.reload()
}

function translate(into: object, translation: object): void {
  const held = new Map<string, unknown>(Object.entries(into))
  for (const [key, words] of Object.entries(translation)) {
    const before = held.get(key)
    if (isTable(before) && isTable(words)) translate(before, words)
    else Reflect.set(into, key, words)
  }
}

function isTable(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
