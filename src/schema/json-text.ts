// JSON that is already text: what the JSON scalar carries out.

/**
 * JSON as the stores hold it. Written out by JSON.stringify it gives the same text again; a writer that knows it may
 * put the text in place unparsed.
 */
export class JsonText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toJSON(): unknown {
    return JSON.parse(this.text)
  }
}
