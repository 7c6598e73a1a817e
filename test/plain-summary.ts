// A vitest reporter that closes with plain lines: each test that failed and why, or held only when tried again, then how many passed and how many failed.

import type { Reporter, TestModule } from 'vitest/node'

const longestReason = 300

export default class PlainSummary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]) {
    let passed = 0
    let failed = unhandledErrors.length
    let skipped = 0
    const flaky: string[] = []
    const failures = unhandledErrors.map((error) => `an error that no test awaited: ${reasonOf([error])}`)
    for (const module of modules) {
      const errors = module.errors()
      if (errors.length > 0) {
        failed++
        failures.push(`${module.relativeModuleId}: ${reasonOf(errors)}`)
      }
      for (const test of module.children.allTests()) {
        const { state, errors: why = [] } = test.result()
        if (state === 'passed') {
          passed++
          if (test.diagnostic()?.flaky)
            flaky.push(`${module.relativeModuleId} > ${test.fullName}: ${reasonOf(why)}`)
        } else if (state === 'failed') {
          failed++
          failures.push(`${module.relativeModuleId} > ${test.fullName}: ${reasonOf(why)}`)
        } else skipped++
      }
    }
    const skippedPart = skipped > 0 ? `, ${skipped} skipped` : ''
    for (const test of flaky) process.stdout.write(`FLAKY ${test}\n`)
    for (const failure of failures) process.stdout.write(`FAILED ${failure}\n`)
    process.stdout.write(`\n${passed} passed, ${failed} failed${skippedPart}\n`)
  }
}

/** On one line. */
function reasonOf(errors: readonly unknown[]): string {
  const [error] = errors
  const message =
    typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error)
  return message.replaceAll(/\s+/g, ' ').slice(0, longestReason)
}
