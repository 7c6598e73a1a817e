// The soak: mixed load for some minutes while things are broken on purpose, and then what must hold: `npm run soak -- --minutes 10 --embedded --seed 1`.

import { writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Acknowledged, prepare, runLoad } from './actors.ts'
import { type Check, checkLeaks, checkMemory, checkParity, checkPublished, settle } from './checks.ts'
import { createSoakClient } from './client.ts'
import { createOutcomes, type Outcomes } from './outcomes.ts'
import { openEmbedded, openServers, type Place } from './place.ts'
import { readCollected, readUsage, type Usage } from './usage.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    embedded: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    log: { type: 'string' },
  },
})
const minutes = Number(values.minutes)
const seed = Number(values.seed)
if (!(minutes >= 0.5 && minutes <= 600)) throw new Error('--minutes must be from 0.5 to 600')
if (!Number.isInteger(seed)) throw new Error('--seed must be a whole number')

const tellEveryMs = 5_000
const sampleEveryMs = minutes >= 5 ? 5_000 : 2_000
/** A minute is too short to tell a cache that fills from a leak: it only catches what is gross. */
const maxMbPerMinute = minutes >= 5 ? 5 : 150

async function main() {
  const startedMs = Date.now()
  const place = await (values.embedded ? openEmbedded() : openServers())
  console.log(`Soaking ${place.name} for ${minutes} min, seed ${seed}`)
  try {
    const { checks, outcomes } = await soak(place)
    report(checks, outcomes, startedMs)
  } finally {
    if (values.log !== undefined)
      await writeFile(values.log, place.gateways.map((gateway) => gateway.output()).join('\n'))
    await place.stop()
  }
}

async function soak(place: Place) {
  const outcomes = createOutcomes()
  const [steady] = place.gateways
  if (steady === undefined) throw new Error('There is no gateway')
  let turn = 0
  const client = createSoakClient({
    outcomes,
    // A balancer that sends nothing to a gateway that is down.
    urlOf() {
      const up = place.gateways.filter((gateway) => gateway.isUp())
      return (up[turn++ % up.length] ?? steady).url
    },
  })
  const acknowledged: Acknowledged = { jobs: new Set(), users: new Set(), unsure: new Set() }
  const { queries, sampleId, users } = await prepare(client, acknowledged)
  const baseline = {
    descriptors: readUsage(steady.pid())?.descriptors ?? 0,
    connections: await place.connections(),
  }

  const end = new AbortController()
  const endsMs = Date.now() + minutes * 60_000
  const samples: Usage[] = []
  const sampling = setInterval(async () => {
    const usage = steady.isUp() ? await readCollected(steady.pid()) : null
    if (usage !== null) samples.push(usage)
  }, sampleEveryMs)
  const telling = setInterval(() => tell({ outcomes, acknowledged, samples, endsMs }), tellEveryMs)
  const breaking = breakThings(place, outcomes, endsMs)
  // Thrown where it is awaited, so that what was started is stopped.
  breaking.catch(() => {})
  const load = runLoad({ client, acknowledged, queries, sampleId, users, seed, signal: end.signal })
  await sleep(endsMs - Date.now())
  await breaking
  clearInterval(sampling)
  clearInterval(telling)
  end.abort()
  await load

  await settle(client, 60_000)
  const warm = samples.slice(Math.floor(samples.length * 0.4)).filter(({ atMs }) => atMs > steady.sinceMs())
  const checks = [
    ...(await checkPublished(client, acknowledged)),
    ...(await checkParity(client)),
    checkMemory(warm, maxMbPerMinute),
    ...(await checkLeaks(steady.url, { ...baseline, pid: steady.pid() }, place.connections)),
    {
      what: 'every error was one to be expected of what was broken at the time',
      holds: outcomes.unexpected.length === 0,
      found: `${outcomes.unexpected.length} unexpected${outcomes.unexpected
        .slice(0, 10)
        .map((each) => `\n    ${JSON.stringify(each)}`)
        .join('')}`,
    },
  ]
  return { checks, outcomes }
}

/** Each in turn, from a tenth of the time on; the last early enough for its consequences to be seen. */
async function breakThings(place: Place, outcomes: Outcomes, endsMs: number) {
  const spanMs = endsMs - Date.now()
  // A lone gateway is killed once, early: its memory is watched from then on.
  const rounds = place.gateways.length === 1 ? 1 : Math.max(1, Math.floor(minutes / 2.5))
  const faults = Array.from({ length: rounds }, () => place.faults).flat()
  const firstMs = endsMs - spanMs + spanMs * 0.1
  const stepMs = (spanMs * 0.75) / faults.length
  for (const [i, fault] of faults.entries()) {
    await sleep(Math.max(0, firstMs + i * stepMs - Date.now()))
    console.log(`  ${fault.kind} …`)
    await outcomes.during(fault.kind, () => fault.run())
  }
}

function tell(state: { outcomes: Outcomes; acknowledged: Acknowledged; samples: Usage[]; endsMs: number }) {
  const { outcomes, acknowledged, samples, endsMs } = state
  const left = Math.max(0, Math.round((endsMs - Date.now()) / 1000))
  const counts = [...outcomes.counts].map(([code, count]) => `${code} ${count}`).join(' · ')
  const last = samples.at(-1)
  const usage = last ? `${last.anonymousMb.toFixed(0)} MB, ${last.descriptors} files` : 'down'
  console.log(
    `  ${left} s left: ${counts} · ${acknowledged.jobs.size} publishes · ${usage} · ${outcomes.unexpected.length} unexpected`,
  )
}

function report(checks: readonly Check[], outcomes: Outcomes, startedMs: number) {
  for (const { what, holds, found } of checks) console.log(`${holds ? '✓' : '✗'} ${what}: ${found}`)
  const requests = [...outcomes.counts.values()].reduce((sum, count) => sum + count, 0)
  const seconds = Math.round((Date.now() - startedMs) / 1000)
  const broken = checks.filter(({ holds }) => !holds)
  console.log(
    `Soak: ${broken.length === 0 ? 'held' : `broke (${broken.length} of ${checks.length} checks)`}; ${requests} requests, ${outcomes.faults.length} faults, ${seconds} s, seed ${seed}`,
  )
  if (broken.length > 0) process.exitCode = 1
}

await main()
// What the checks cannot end (a socket that lingers) does not keep the process.
process.exit()
