// The page for a stranger's own data, pasted: each part's commands as they stand, on real stores, and the answers that it shows.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFolder, freePort } from '../servers/child.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'

const page = await readFile('docs/your-own-data.md', 'utf8')
const [opening = '', ...parts] = page.split(/^## /m).filter((part) => part.includes('```sh'))

/** The blocks of commands, each with the answer that is shown after it. */
function stepsOf(markdown: string) {
  const steps: { commands: string; shown?: object }[] = []
  for (const [, language, block = ''] of markdown.matchAll(/^```(sh|json)\n(.*?)^```$/gms)) {
    const last = steps.at(-1)
    if (language === 'sh') steps.push({ commands: block })
    else if (last) last.shown = JSON.parse(block) as object
  }
  return steps
}

let postgres: PostgresServer
const folder = await createFolder('your-own-data')

beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(async () => {
  await postgres?.stop()
  await folder.remove()
})

/** Runs the commands in one shell, in which nothing may be left when they are through. */
async function paste(commands: string): Promise<string> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const { PATH, HOME } = process.env
  const shell = spawn('bash', ['-euo', 'pipefail', '-c', commands.replaceAll('http://127.0.0.1:4000', url)], {
    env: { PATH, HOME, TMPDIR: folder.path, PORT: `${port}`, PG: postgres.url },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const endAll = () => spawnSync('kill', ['-KILL', '--', `-${shell.pid}`])
  const timer = setTimeout(endAll, 200_000)
  try {
    const [answers, complaints] = await Promise.all([
      text(shell.stdout),
      text(shell.stderr),
      once(shell, 'exit'),
    ])
    expect(shell.exitCode, `${answers}\n${complaints}`).toBe(0)
    await expect(fetch(url)).rejects.toThrow()
    return answers
  } finally {
    clearTimeout(timer)
    endAll()
  }
}

test('the page has three parts', () => {
  expect(parts.map((part) => part.split('\n')[0])).toEqual([
    'A CSV',
    'A table of PostgreSQL',
    'A Delta table',
  ])
})

const next = '==> the next block\n'

test.each(parts.map((part) => [part.split('\n')[0], part]))(
  '%s',
  { timeout: 240_000 },
  async (_title, part) => {
    const steps = [opening, part].flatMap(stepsOf)
    const answers = (
      await paste(steps.map(({ commands }) => commands).join(`echo '${next.trim()}'\n`))
    ).split(next)
    expect(answers.length).toBe(steps.length)
    const compared = steps.flatMap(({ shown }, at) =>
      shown === undefined ? [] : [{ shown, answer: answers[at] }],
    )
    expect(compared.length).toBeGreaterThanOrEqual(5)
    for (const { shown, answer } of compared)
      expect(JSON.parse(answer?.trim().split('\n').at(-1) ?? '')).toMatchObject(shown)
  },
)
