// Typed features by GraphQL Code Generator: a misspelt feature is an error of the build.

import { graphql } from '../generated/typed/gql.ts'
import type { Transport } from '../transport.ts'

const scoring = graphql(`
  query Scoring($driverId: BigInt!, $others: [DriverStatsKey!]!) {
    features {
      driverStats(driverId: $driverId) { convRate paid since home { city floors } }
      driverStatsMany(keys: $others) { driverId status row { avgDailyTrips } }
      driverScore(driverId: $driverId, amount: 12.5) { score }
    }
  }
`)

const following = graphql(`
  subscription Following($driverId: BigInt!) {
    driverStats(driverId: $driverId) { status row { convRate } }
  }
`)

/** One driver's features and score, and how many trips others make: one read of the online store. */
export async function askFeatures(gateway: Transport, driverId: number, others: readonly number[]) {
  const { features } = await gateway.request(scoring, {
    driverId,
    others: others.map((each) => ({ driverId: each })),
  })
  const city: string | null | undefined = features.driverStats?.home?.city
  const floors: readonly (number | null)[] | null | undefined = features.driverStats?.home?.floors
  return {
    rate: features.driverStats?.convRate ?? null,
    paid: features.driverStats?.paid ?? null,
    since: features.driverStats?.since ?? null,
    city: city ?? null,
    highest: floors?.reduce<number>((high, floor) => Math.max(high, floor ?? 0), 0) ?? null,
    score: features.driverScore?.score ?? null,
    trips: features.driverStatsMany.map(({ driverId: id, status, row }) => [
      id,
      status,
      row?.avgDailyTrips ?? null,
    ]),
  }
}

/** The driver's rate now, and at every change. */
export async function* followRate(gateway: Transport, driverId: number): AsyncGenerator<number | null> {
  for await (const { driverStats } of gateway.subscribe(following, { driverId }))
    yield driverStats.row?.convRate ?? null
}
