import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { CommandRefused, EXIT } from './command.ts'

const MAX_STDIN_CHARACTERS = 4096
const EXIT_INTERRUPTED = 130

/** Asks a person on the terminal; where there is none, says by which option the answer can be given. */
export async function askPerson(question: string, instead: string, { hidden = false } = {}): Promise<string> {
  if (!process.stdin.isTTY)
    throw new CommandRefused('usage', `There is no terminal to ask on: give ${instead}`, EXIT.usage)
  const silence = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: hidden ? silence : process.stderr, terminal: true })
  terminal.on('SIGINT', () => process.exit(EXIT_INTERRUPTED))
  if (hidden) process.stderr.write(question)
  try {
    return (await terminal.question(hidden ? '' : question)).trim()
  } finally {
    terminal.close()
    if (hidden) process.stderr.write('\n')
  }
}

/** One line from standard input, such as a password that a password manager pipes in. */
export async function readStdin(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin) {
    text += String(chunk)
    if (text.length > MAX_STDIN_CHARACTERS)
      throw new CommandRefused('usage', 'Standard input holds too much', EXIT.usage)
  }
  return text.replace(/\r?\n$/, '')
}
