// In the place of react-native: the components that the examples use, as elements of a page.
import type { ComponentType, ReactElement, ReactNode } from "react"
import { createRoot } from "react-dom/client"

export const AppRegistry = {
  registerComponent(_name: string, get: () => ComponentType): void {
    const Root = get()
    createRoot(document.body.appendChild(document.createElement("div"))).render(<Root />)
  },
}

export const AppState = {
  addEventListener(_type: "change", listener: (state: "active" | "background") => void): void {
    const tell = () => listener(document.visibilityState === "visible" ? "active" : "background")
    document.addEventListener("visibilitychange", tell)
  },
}

export function View({ children }: { children?: ReactNode }) {
  return <div>{children}</div>
}

export function Text({ children }: { children?: ReactNode }) {
  return <p>{children}</p>
}

interface TextInputProps {
  accessibilityLabel: string
  value: string
  onChangeText: (text: string) => void
}

export function TextInput({ accessibilityLabel, value, onChangeText }: TextInputProps) {
  return <input aria-label={accessibilityLabel} value={value} onChange={({ target }) => onChangeText(target.value)} />
}

export function Button({ title, onPress }: { title: string; onPress: () => void }) {
  return (
    <button type="button" onClick={onPress}>
      {title}
    </button>
  )
}

interface FlatListProps<Item> {
  data: readonly Item[]
  keyExtractor: (item: Item) => string
  renderItem: (info: { item: Item }) => ReactElement
}

export function FlatList<Item>({ data, keyExtractor, renderItem }: FlatListProps<Item>) {
  return data.map((item) => <div key={keyExtractor(item)}>{renderItem({ item })}</div>)
}
