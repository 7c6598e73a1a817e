// Several statements on one connection in one round trip: all are sent before the first is answered.

import type { Connection, Submittable } from 'pg'
import { isServerError } from './error.ts'
import { type Message, type ResultField, resultFields, type TextRow } from './messages.ts'

export interface PipelinedStatement {
  sql: string
  /** Null where it is only to be told what the statement would give. */
  values: readonly string[] | null
}

export interface PipelinedAnswer {
  fields: readonly ResultField[]
  rows: readonly TextRow[]
}

export interface PipelinedAnswers {
  /** Of the statements before one that failed. */
  answers: readonly PipelinedAnswer[]
  /** Why the statement after those failed; what came after it did not run. Null where none failed. */
  failure: unknown
}

interface Protocol {
  stream: { cork(): void; uncork(): void }
  parse(message: object): void
  bind(message: object): void
  describe(message: object): void
  execute(message: object): void
  sync(): void
}

/** Outside of a transaction they are one, which sees with each statement what is committed by then. */
export class Pipeline implements Submittable {
  readonly result: Promise<PipelinedAnswers>
  readonly #statements: readonly PipelinedStatement[]
  readonly #answers: PipelinedAnswer[] = []
  #fields: readonly ResultField[] = []
  #rows: TextRow[] = []
  readonly #resolve: (answers: PipelinedAnswers) => void
  readonly #reject: (error: unknown) => void

  constructor(statements: readonly PipelinedStatement[]) {
    const { promise, resolve, reject } = Promise.withResolvers<PipelinedAnswers>()
    this.result = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#statements = statements
  }

  submit(connection: Connection): void {
    const protocol = connection as unknown as Protocol
    protocol.stream.cork()
    for (const { sql, values } of this.#statements) {
      protocol.parse({ text: sql, name: '', types: [] })
      if (values === null) protocol.describe({ type: 'S', name: '' })
      else {
        protocol.bind({ portal: '', statement: '', values })
        protocol.describe({ type: 'P', name: '' })
        protocol.execute({ portal: '' })
      }
    }
    protocol.sync()
    protocol.stream.uncork()
  }

  handleRowDescription(message: Message): void {
    this.#fields = resultFields(message)
    if (this.#statements[this.#answers.length]?.values === null) this.#end()
  }

  handleDataRow({ fields }: { fields: TextRow }): void {
    this.#rows.push(fields)
  }

  handleCommandComplete(): void {
    this.#end()
  }

  #end() {
    this.#answers.push({ fields: this.#fields, rows: this.#rows })
    this.#fields = []
    this.#rows = []
  }

  handleError(error: unknown): void {
    if (isServerError(error)) this.#resolve({ answers: this.#answers, failure: error })
    else this.#reject(error)
  }

  handleReadyForQuery(): void {
    this.#resolve({ answers: this.#answers, failure: null })
  }
}
