// The environment, parsed once into a Config; every fault is reported together.

import { distance } from 'fastest-levenshtein'
import { z } from 'zod'
import { type AuthConfig, authSettings, faultsOfAuth, readAuth } from './auth-settings.ts'
import { ConfigError } from './config-error.ts'
import { type LimitConfig, limitSettings, readLimits } from './limits.ts'
import { withoutPassword, withoutSecrets } from './secrets.ts'
import { faultsOfServing, readServing, type ServingConfig, servingSettings } from './serving.ts'
import { faultsOfStores, readStores, type StoreConfig, storeSettings } from './stores.ts'

export { dataPaths } from './stores.ts'

const settings = z.object({ ...servingSettings, ...storeSettings, ...limitSettings, ...authSettings })

/** Of the environment, all that is read here. */
export const settingNames = Object.keys(settings.shape)

const environment = settings.superRefine((given, context) => {
  for (const [name, message] of [...faultsOfAuth(given), ...faultsOfServing(given), ...faultsOfStores(given)])
    context.addIssue({ code: 'custom', path: [name], message })
})

export interface Config extends ServingConfig, StoreConfig, LimitConfig {
  auth: AuthConfig
  /** Variables that are not read, but are nearly one that is: a sentence for each. */
  misspelt: readonly string[]
}

/** Reads the settings; an empty variable counts as unset. Throws ConfigError with every fault at once. */
export function parseConfig(env: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  )
  const misspelt = findMisspelt(Object.keys(given))
  const parsed = environment.safeParse(given)
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => {
      const name = issue.path.join('.')
      const value = /SECRET|TOKEN/.test(name) ? '***' : JSON.stringify(withoutPassword(given[name] ?? ''))
      return `  ${name}=${value}: ${issue.message}`
    })
    const others = misspelt.map((sentence) => `  ${sentence}`)
    throw new ConfigError(
      withoutSecrets(`These settings are not usable:\n${[...faults, ...others].join('\n')}`),
    )
  }
  return {
    ...readServing(parsed.data),
    ...readStores(parsed.data),
    ...readLimits(parsed.data),
    auth: readAuth(parsed.data),
    misspelt,
  }
}

/** `WAREHOSE_URL` would otherwise start the embedded default without a word. */
function findMisspelt(names: readonly string[]): string[] {
  return names.flatMap((name) => {
    if (settingNames.includes(name)) return []
    const near = settingNames.find((known) => {
      const most = known.length < 8 ? 1 : 2
      return Math.abs(known.length - name.length) <= most && distance(known, name) <= most
    })
    return near === undefined ? [] : [`${name} is no setting, and is not read: is ${near} meant?`]
  })
}
