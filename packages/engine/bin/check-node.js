// Plain JavaScript that even an old Node.js can read: says in a sentence what the engine needs.
const [major, minor] = process.versions.node.split(".").map(Number)
if (major < 24 || (major === 24 && minor < 12)) {
  console.error(
    `The Grizz AI Engine needs Node.js 24.12 or newer, and this is ${process.versions.node}. ` +
      'On Linux run it through npm ("npm start", "npx grizz …"), which brings its own; elsewhere install a newer one.',
  )
  process.exit(1)
}
