// In the place of @react-native-async-storage/async-storage, which has a default export.
const items = new Map<string, string>()

const asyncStorage = {
  getItem: async (key: string): Promise<string | null> => items.get(key) ?? null,
  setItem: async (key: string, value: string): Promise<void> => void items.set(key, value),
  removeItem: async (key: string): Promise<void> => void items.delete(key),
  getAllKeys: async (): Promise<readonly string[]> => [...items.keys()],
}

// oxlint-disable-next-line import/no-default-export -- the shape of what it stands in for
export { asyncStorage as default }
