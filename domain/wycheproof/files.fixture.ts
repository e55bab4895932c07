/**
 * The Wycheproof files as JSON text by name. They are read where they lie and never copied here: `tools/wycheproof.ts`
 * puts them in place of the null, on runtimes without files too.
 */
export const wycheproofFiles: Readonly<Record<string, string>> | null = null
