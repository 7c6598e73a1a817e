// A real Chromium without a window, driven by playwright-core; it ends with this process, whose pipe it listens to.

import { chromium } from 'playwright-core'
import { programPath } from './programs.ts'

export type Chromium = Awaited<ReturnType<typeof startChromium>>

export async function startChromium() {
  const browser = await chromium.launch({
    executablePath: programPath('chromium'),
    headless: true,
    // Root, as in a container, may not use the sandbox; the pages are our own.
    args: [
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--disable-gpu',
      // This machine by a name that is not its own.
      '--host-resolver-rules=MAP *.test 127.0.0.1',
    ],
  })
  return { browser, newPage: () => browser.newPage(), stop: () => browser.close() }
}
