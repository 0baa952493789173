/**
 * Gives the user's access token. Called before every request and connection, so it may cache; `refused` is the token
 * that the engine has just refused, and then another one is expected.
 */
export type TokenProvider = (refused?: string) => Promise<string>
