// The short form of npm run fuzz: the same requests at every run.

import { expect, onTestFinished, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { fuzz } from './fuzz.ts'

test('random documents, variables, SQL, ETLs, bodies and paths end with no crash, no hang, no INTERNAL and no leak', async () => {
  const folder = await createDataFolder('fuzz')
  onTestFinished(folder.remove)
  const { sent, ends, findings } = await fuzz({ requests: 200, seed: 1, dataDir: folder.path })
  expect(findings, findings.join('\n')).toEqual([])
  expect(sent).toBe(200)
  const kinds = new Set(Object.keys(ends).map((end) => end.split(' ')[0]))
  expect([...kinds].sort()).toEqual(['document', 'etl', 'path', 'rest', 'sql', 'variables'])
  // Some of it is neither refused for whoever asks nor for what it is.
  expect(Object.keys(ends)).toEqual(
    expect.arrayContaining(['document 200', 'sql 200', 'etl 200', 'rest 200']),
  )
  expect(Object.keys(ends).join()).toMatch(/FORBIDDEN/)
  expect(Object.keys(ends).join()).toMatch(/UNAUTHENTICATED/)
}, 300_000)
