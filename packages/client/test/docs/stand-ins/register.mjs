// Lets an example that runs in Node import what is not installed here.
import { registerHooks } from "node:module"

const standIns = { "@supabase/supabase-js": new URL("supabase.ts", import.meta.url).href }

registerHooks({
  resolve: (specifier, context, next) => next(standIns[specifier] ?? specifier, context),
})
