export * from "./constants.ts"
export * from "./frames.ts"
export * from "./resources.ts"
export * from "./text.ts"
