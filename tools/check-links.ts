import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Every relative link in a Markdown file leads to a file of the checkout, and every `#anchor` to one of its headings. */
const root = dirname(import.meta.dirname)
const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(root, file)))

const broken: string[] = []
for (const file of files) {
  const text = withoutCode(readFileSync(join(root, file), 'utf8'))
  for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue
    const [path = '', anchor] = target.split('#')
    const linked = path === '' ? join(root, file) : join(root, dirname(file), path)
    if (!existsSync(linked)) broken.push(`${file}: ${target} does not exist`)
    else if (anchor !== undefined && linked.endsWith('.md') && !anchorsOf(linked).has(anchor)) {
      broken.push(`${file}: ${target} has no such heading`)
    }
  }
}
for (const line of broken) console.log(line)
process.exitCode = broken.length === 0 ? 0 : 1

function withoutCode(markdown: string): string {
  return markdown.replace(/```[\s\S]*?```/g, '').replace(/`[^`\n]*`/g, '')
}

/** GitHub's rule: lower case, punctuation dropped, blanks become hyphens. */
function anchorsOf(path: string): Set<string> {
  const headings = readFileSync(path, 'utf8').matchAll(/^#+ +(.+)$/gm)
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .trim()
        .replace(/ /g, '-'),
    ),
  )
}
