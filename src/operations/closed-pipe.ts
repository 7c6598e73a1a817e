// Commands whose reader has seen enough (`npm run doctor | head`): they end there, without a word.

/** What is written to a pipe that nobody reads any more is an error of the stream; the command's work is then over. */
export function endOnClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit()
  })
}
