// The child process that ETLs run in: an isolate for each script, messages from the gateway, nothing else.

import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { basename } from 'node:path'
import ivm from 'isolated-vm'
import { messageOf } from '../../errors.ts'
import { closeInheritedFiles } from '../../processes/inherited-files.ts'
import { type Failure, noRow } from './isolate/evaluation.ts'
import { scriptName } from './isolate/lockdown.ts'
import type { OutputBatch } from './isolate/pack.ts'
import type { Reply, Request } from './messages.ts'
import { enterIsolate, leaveIsolate } from './packed-texts.ts'
import { type ScriptSource, wrapScript } from './script.ts'
import { ScriptError } from './syntax.ts'

closeInheritedFiles()

const maxIsolates = 16
const loadTimeoutMs = 5000
const [timeoutMs = 5000, memoryMb = 256] = process.argv.slice(2).map(Number)

const operations = [
  'begin',
  'take',
  'describe',
  'rows',
  'groups',
  'resume',
  'frameAdd',
  'frameRun',
  'frameTake',
  'frameDrop',
  'takeSaid',
] as const
type Operation = (typeof operations)[number]

interface Loaded {
  isolate: ivm.Isolate
  run: (operation: Operation, args: ivm.Transferable[], timeoutMs: number) => unknown
  position: Int32Array
  script: ScriptSource
  description: string
}

/** All that runs in an isolate beside the script, by path from the folder of its harness. */
const ownModules = [
  './limits.ts',
  './encoded.ts',
  './traps.ts',
  './shape.ts',
  './blank-cells.ts',
  './collect.ts',
  './evaluation.ts',
  './row-makers.ts',
  './said.ts',
  './order.ts',
  './groups.ts',
  './frame.ts',
  './lockdown.ts',
  './pack.ts',
  './unpack.ts',
  './harness.ts',
  '../../../values/calendar.ts',
  '../../../values/columns.ts',
  '../../../values/value-order.ts',
].map((path) => {
  const source = readFileSync(new URL(`./isolate/${path}`, import.meta.url), 'utf8')
  return [basename(path), stripTypeScriptTypes(source)] as const
})

/** The isolate is locked down before anything of the script is in it. */
function open(script: ScriptSource): Loaded {
  const { code, hasAccessors } = wrapScript(script)
  const isolate = new ivm.Isolate({ memoryLimit: memoryMb })
  const context = isolate.createContextSync()
  const harness = openHarness(isolate, context)
  const functions = new Map(
    operations.map((name) => [name, harness.namespace.getSync(name, { reference: true })]),
  )
  const shared = new SharedArrayBuffer(12)
  const run: Loaded['run'] = (operation, args, timeout) =>
    functions.get(operation)?.applySync(undefined, args, { timeout, result: { copy: true } })
  run('begin', [new ivm.ExternalCopy(shared).copyInto()], loadTimeoutMs)
  const etl = compile(isolate, code)
  etl.instantiateSync(context, refuseModule)
  etl.evaluateSync({ timeout: loadTimeoutMs })
  const instantiate = etl.namespace.getSync('default', { reference: true })
  run('take', [instantiate.derefInto(), hasAccessors], loadTimeoutMs)
  const description = String(run('describe', [], timeoutMs))
  return { isolate, run, position: new Int32Array(shared), script, description }
}

function refuseModule(specifier: string): never {
  throw new Error(`There is no module ${specifier}`)
}

function openHarness(isolate: ivm.Isolate, context: ivm.Context): ivm.Module {
  const modules = new Map(
    ownModules.map(([name, text]) => [name, isolate.compileModuleSync(text, { filename: name })]),
  )
  const harness = modules.get('harness.ts') ?? refuseModule('harness.ts')
  harness.instantiateSync(context, (specifier) => modules.get(basename(specifier)) ?? refuseModule(specifier))
  harness.evaluateSync({ timeout: loadTimeoutMs })
  return harness
}

function compile(isolate: ivm.Isolate, code: string): ivm.Module {
  try {
    return isolate.compileModuleSync(code, { filename: scriptName, lineOffset: -1 })
  } catch (error) {
    const text = messageOf(error)
    const place = /\[etl:(-?\d+):(\d+)\]/.exec(text)
    throw new ScriptError(
      text.replace(/ \[etl:.*$/, ''),
      place === null ? {} : { line: Number(place[1]), column: Number(place[2]) },
    )
  }
}

const loaded = new Map<string, Loaded>()

function close(key: string): void {
  const isolate = loaded.get(key)?.isolate
  loaded.delete(key)
  if (isolate !== undefined && !isolate.isDisposed) isolate.dispose()
}

function load(key: string, script: ScriptSource): Loaded {
  close(key)
  for (const oldest of loaded.keys()) {
    if (loaded.size < maxIsolates) break
    close(oldest)
  }
  const fresh = open(script)
  loaded.set(key, fresh)
  return fresh
}

/** What became of the call, when it is the limits' doing; the rest is a fault of our own and ends the process. */
function limitFailure(error: unknown, position: Int32Array | null): Failure {
  const text = messageOf(error)
  const row = position?.[0] ?? noRow
  const where = row === noRow ? {} : { row }
  if (text.includes('timed out'))
    return { kind: 'timeout', message: `it ran for more than ${timeoutMs} ms`, ...where }
  if (text.includes('disposed'))
    return { kind: 'memory', message: `it needed more than ${memoryMb} MB of memory`, ...where }
  if (error instanceof RangeError) return { kind: 'memory', message: text, ...where }
  throw error
}

/** What a call of the harness gave. */
type Told = { text: string } | { texts: readonly string[] } | OutputBatch | Failure

function isTexts(told: unknown[]): told is string[] {
  return typeof told[0] === 'string'
}

/** One call of the harness; a script that used up its memory is forgotten, and loaded anew on the next request. */
function call(
  key: string,
  entry: Loaded,
  operation: Operation,
  args: ivm.Transferable[],
  limitMs: number,
): Told {
  if (operation !== 'resume') entry.position.set([noRow, 0, 0])
  try {
    const told = entry.run(operation, args, limitMs) ?? ''
    if (!Array.isArray(told)) return { text: String(told) }
    return isTexts(told) ? { texts: told } : (told as OutputBatch)
  } catch (error) {
    const failure = limitFailure(error, entry.position)
    if (entry.isolate.isDisposed) loaded.delete(key)
    return failure
  }
}

const maxDeaths = 8

/**
 * A group that runs out of time or memory fails alone: the others are run all the same. A group has the whole time to
 * itself: one that only began late, after others had used it up, begins again.
 */
function runGroups(request: Request & { op: 'groups' }, first: Loaded, alive: () => void): Told {
  const failed: [number, Failure][] = []
  let entry = first
  let fresh = 0
  const begin = () => {
    const args = [request.form, request.spec, request.text, JSON.stringify(failed)]
    return call(request.key, entry, 'groups', args, timeoutMs)
  }
  let answer = begin()
  while ('kind' in answer) {
    alive()
    const group = entry.position[1] ?? 0
    if (answer.kind !== 'timeout') {
      failed.push([group, answer])
      if (failed.length >= maxDeaths) return answer
      entry = load(request.key, entry.script)
      answer = begin()
      continue
    }
    const isFailure = group === fresh
    fresh = isFailure ? -1 : group
    if (isFailure) failed.push([group, answer])
    answer = call(
      request.key,
      entry,
      'resume',
      [isFailure ? JSON.stringify({ failure: answer }) : ''],
      timeoutMs,
    )
  }
  return answer
}

function answer(request: Request): Reply {
  const { id, key } = request
  if (request.op === 'load') return { id, text: load(key, request.script).description }
  const entry = loaded.get(key)
  if (entry === undefined) return { id, missing: true }
  loaded.delete(key)
  loaded.set(key, entry)
  const result = work(request, entry)
  const said = takeSaid(entry)
  if (Array.isArray(result)) return { id, said, rows: leaveIsolate(result) }
  if ('texts' in result) return { id, texts: result.texts }
  return 'kind' in result ? { id, said, failure: result } : { id, said, text: result.text }
}

function takeSaid({ isolate, position, run }: Loaded): string | undefined {
  return position[2] === 0 || isolate.isDisposed ? undefined : String(run('takeSaid', [], timeoutMs))
}

function work(request: Exclude<Request, { op: 'load' }>, entry: Loaded): Told {
  const { key } = request
  switch (request.op) {
    case 'rows':
      return call(key, entry, 'rows', [request.names, ...enterIsolate(request.rows)], timeoutMs)
    case 'groups':
      return runGroups(request, entry, () => send({ id: request.id, alive: true }))
    case 'frameAdd':
      return call(key, entry, 'frameAdd', [request.names, ...enterIsolate(request.rows)], timeoutMs)
    case 'frameRun':
      return call(key, entry, 'frameRun', [request.spec], request.timeoutMs)
    case 'frameTake':
      return call(key, entry, 'frameTake', [request.limit], timeoutMs)
    case 'frameDrop':
      return call(key, entry, 'frameDrop', [], timeoutMs)
  }
}

function send(reply: Reply): void {
  process.send?.(reply)
}

// A Ctrl-C at the terminal reaches this process too: the gateway drains, and ends it when it is done.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
process.on('disconnect', () => process.exit(0))
process.on('message', (request: Request) => {
  try {
    send(answer(request))
  } catch (error) {
    if (error instanceof ScriptError) return send({ id: request.id, failure: error.failure })
    send({ id: request.id, failure: { ...limitFailure(error, null), kind: 'load' } })
  }
})
