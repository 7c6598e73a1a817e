// A training set asked for as a form: its request in JSON, and the file of its spine, which is streamed to disk.

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Busboy, type BusboyHeaders } from '@fastify/busboy'
import type { FastifyRequest } from 'fastify'
import { AppError } from '../../errors.ts'
import { formatOfFile } from '../../publish/upload/formats.ts'
import type { Upload, Uploads } from '../../publish/upload/uploads.ts'
import type { SpineRequest } from '../../training/sets/spine.ts'

export const spineForm = 'multipart/form-data'
const limits = { fields: 1, files: 1, parts: 2, fieldSize: 1024 * 1024 }

interface Form {
  request: string | null
  upload: Promise<Upload> | null
}

export function createSpineForms(uploads: Pick<Uploads, 'receive' | 'spine' | 'remove'>) {
  const received = new WeakMap<FastifyRequest, { upload: Upload; signal: AbortSignal }>()

  return {
    /** Before validation: of a form the request takes the body's place, and its file is kept. */
    async receive(request: FastifyRequest): Promise<void> {
      const form: unknown = request.body
      if (!(form instanceof Readable)) return
      const { headers, raw } = request
      const gone = new AbortController()
      raw.once('close', () => {
        if (!raw.complete) gone.abort(new AppError('TIMEOUT', 'The client has left.'))
      })
      const { upload, body } = await readForm(form, headers, uploads)
      received.set(request, { upload, signal: gone.signal })
      request.body = body
    },

    fileOf(request: FastifyRequest): SpineRequest['read'] {
      const found = received.get(request)
      return found && ((needed) => uploads.spine(found.upload, needed, found.signal))
    },

    /** Null where there is no file. */
    sha256Of: (request: FastifyRequest): string | null =>
      received.get(request)?.upload.sha256.toString('hex') ?? null,

    async remove(request: FastifyRequest): Promise<void> {
      const found = received.get(request)
      if (found !== undefined) await uploads.remove(found.upload.name)
    },
  }
}

async function readForm(
  stream: Readable,
  headers: FastifyRequest['headers'],
  uploads: Pick<Uploads, 'receive' | 'remove'>,
): Promise<{ upload: Upload; body: unknown }> {
  const form = await parse(stream, headers, uploads)
  const [upload] = await Promise.allSettled([form.upload])
  if (upload.status === 'rejected') throw upload.reason
  try {
    if (upload.value === null) throw fault('has no file in the part `spine`')
    if (form.request === null) throw fault('has no JSON in the part `request`')
    return { upload: upload.value, body: parseJson(form.request) }
  } catch (error) {
    if (upload.value !== null) await uploads.remove(upload.value.name)
    throw error
  }
}

async function parse(
  stream: Readable,
  headers: FastifyRequest['headers'],
  uploads: Pick<Uploads, 'receive' | 'remove'>,
): Promise<Form> {
  const form: Form = { request: null, upload: null }
  let spine: Readable | null = null
  const parser = createParser(headers)
  parser.on('field', (name, value) => {
    if (name === 'request') form.request = value
  })
  parser.on('file', (name, file, fileName, _encoding, contentType) => {
    // The parser tells every file of a form's early end, whether or not somebody reads it by then.
    file.on('error', (error) => file.destroy(error))
    if (name !== 'spine') return file.resume()
    spine = file
    const receiving = async () => {
      const format = formatOfFile(contentType, fileName)
      return uploads.receive(file, { format, table: 'spine', length: Number.NaN })
    }
    form.upload = receiving().finally(() => file.resume())
    form.upload.catch(() => undefined)
  })
  try {
    await pipeline(stream, parser)
  } catch (cause) {
    // Of a file whose form has broken off nothing stays.
    ;(spine as Readable | null)?.destroy()
    const received = await form.upload?.catch(() => null)
    if (received != null) await uploads.remove(received.name)
    throw new AppError('BAD_USER_INPUT', `The form cannot be read: ${(cause as Error).message}`, { cause })
  }
  return form
}

function createParser(headers: FastifyRequest['headers']) {
  try {
    return new Busboy({ headers: headers as BusboyHeaders, limits })
  } catch (cause) {
    throw new AppError('BAD_USER_INPUT', `The form cannot be read: ${(cause as Error).message}`, { cause })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AppError(
      'BAD_USER_INPUT',
      `The part \`request\` of the form is no JSON: ${(cause as Error).message}`,
      {
        cause,
      },
    )
  }
}

function fault(what: string): AppError {
  return new AppError(
    'BAD_USER_INPUT',
    `The form ${what}; it has the parts \`request\`, JSON, and \`spine\`, a Parquet file, an Arrow stream or file, or CSV.`,
  )
}
