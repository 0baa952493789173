export type TomlValue = string | number | boolean | TomlValue[] | TomlTable
export interface TomlTable {
  [key: string]: TomlValue
}

/**
 * Reads the part of TOML that deploy/fly.toml keeps to: `[table]`, `[[array of tables]]`, and one JSON value per line.
 * @throws Error on any other line
 */
export function readToml(text: string): TomlTable {
  const root: TomlTable = {}
  let table = root
  for (const line of text.split("\n").map((line) => line.trim())) {
    const header = /^\[(\[)?([a-z_.]+)\]\]?$/.exec(line)
    const [, key, value] = /^([a-zA-Z_]+) = (.+)$/.exec(line) ?? []
    if (header?.[2] !== undefined) table = open(root, header[2].split("."), header[1] !== undefined)
    else if (key !== undefined && value !== undefined && !Object.hasOwn(table, key)) table[key] = JSON.parse(value)
    else if (line !== "" && !line.startsWith("#")) throw new Error(`not understood: ${line}`)
  }
  return root
}

function open(root: TomlTable, path: string[], isElement: boolean): TomlTable {
  const last = path.at(-1) ?? ""
  const parent = path.slice(0, -1).reduce((table, key) => asTable((table[key] ??= {})), root)
  const opened: TomlTable = {}
  const siblings = parent[last]
  if (isElement) parent[last] = [...(Array.isArray(siblings) ? siblings : []), opened]
  else if (siblings !== undefined) throw new Error(`table ${last} is there twice`)
  else parent[last] = opened
  return opened
}

function asTable(value: TomlValue): TomlTable {
  if (typeof value !== "object" || Array.isArray(value)) throw new Error("a value was used as a table")
  return value
}
