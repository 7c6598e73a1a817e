// A script as the engine runs it: named, described once by the sandbox, its declared columns read.

import { createHash } from 'node:crypto'
import { type DeclaredColumns, parseDeclaredColumns } from '../columns/output.ts'
import { SandboxError, type Script } from './child-process.ts'
import { failureToError } from './failure.ts'
import type { Sandbox } from './sandbox.ts'

export interface LoadedScript extends Script {
  /** The name it goes by in messages. */
  etl: string
  form: 'transform' | 'extract'
  declared: DeclaredColumns
}

export interface ScriptText {
  name: string
  language: 'JAVASCRIPT' | 'TYPESCRIPT'
  source: string
}

const maxKept = 200

export function createScriptLoader(sandbox: Sandbox) {
  const kept = new Map<string, Promise<Omit<LoadedScript, 'etl'>>>()

  async function describe(script: Script, etl: string, signal: AbortSignal | undefined) {
    const lease = await sandbox.lease('SERVING', signal)
    try {
      const { form, columns } = await lease.load(script)
      return { ...script, form, declared: parseDeclaredColumns(etl, columns) }
    } catch (error) {
      if (error instanceof SandboxError) throw failureToError(error.failure, { etl })
      throw error
    } finally {
      lease.release()
    }
  }

  /** Throws ETL_LOAD_FAILED with line and column; what failed is tried again on the next call. */
  async function load({ name, language, source }: ScriptText): Promise<LoadedScript> {
    const key = createHash('sha256').update(`${language}\n${source}`).digest('base64')
    let described = kept.get(key)
    if (described === undefined) {
      described = describe({ key, language, source }, name, undefined)
      described.catch(() => kept.delete(key))
      const oldest = kept.size >= maxKept ? kept.keys().next().value : undefined
      if (oldest !== undefined) kept.delete(oldest)
      kept.set(key, described)
    }
    return { ...(await described), etl: name }
  }
  return { load }
}
