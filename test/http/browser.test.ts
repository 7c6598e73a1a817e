// GraphiQL and the REST documentation in a real Chromium: they work, and ask nothing of anyone but the gateway.

import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAccess } from '../../src/access/access.ts'
import { type Chromium, startChromium } from '../servers/chromium.ts'
import { type Gateway, openGateway } from './gateway.ts'

let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>
let chromium: Chromium

beforeAll(async () => {
  gateway = await openGateway()
  server = await gateway.serve()
  chromium = await startChromium()
}, 120_000)

afterAll(async () => {
  await chromium.stop()
  await server.close()
  await gateway.close()
})

/** A page that remembers what it asked of others than the gateway, and what it complained of. */
async function openPage(path: string) {
  const page = await chromium.newPage()
  await page.setViewportSize({ width: 1400, height: 900 })
  const elsewhere: string[] = []
  const complaints: string[] = []
  const own = [server.url, server.url.replace('http', 'ws'), `blob:${server.url}`, 'data:']
  const note = (url: string) => {
    if (!own.some((prefix) => url.startsWith(prefix))) elsewhere.push(url)
  }
  page.on('request', (request) => note(request.url()))
  page.on('websocket', (socket) => note(socket.url()))
  page.on('pageerror', (error) => complaints.push(error.message))
  await page.goto(`${server.url}${path}`)
  return { page, elsewhere, complaints }
}

async function runInGraphiQL(page: Page, query: string) {
  await page.goto(`${server.url}/graphql?query=${encodeURIComponent(query)}`)
  await page.getByRole('button', { name: /Execute query/ }).click()
}

/** What the result pane shows, once it holds `text`. */
async function result(page: Page, text: string): Promise<string> {
  const pane = page.getByRole('region', { name: 'Result Window' })
  await pane.filter({ hasText: text }).waitFor()
  return pane.innerText()
}

const training = `mutation Train {
  queryTrain(
    queryName: "quotes"
    query: """
      SELECT Q.user_id, Q.quote_device, Q.is_binded, T.card_type
      FROM feature_store.quotes Q
      LEFT JOIN feature_store.transactions T
        ON Q.user_id = T.user_id
    """
  ) {
    query { id version }
    dataset {
      rowCount
      columns { name type nullable }
      rows(limit: 2)
    }
  }
}`

test('GraphiQL runs a subscription and a training query, with nothing from elsewhere', async () => {
  const { page, elsewhere, complaints } = await openPage('/graphql')
  await page.getByRole('button', { name: /Execute query/ }).waitFor()

  const { publish } = await server.data<{ publish: { id: string } }>(
    'mutation { publish(nFlows: 50) { id } }',
  )
  await runInGraphiQL(
    page,
    `subscription Progress { publishProgress(jobId: "${publish.id}") { status done total } }`,
  )
  expect(await result(page, 'SUCCEEDED')).toMatch(/"done":\s*50/)
  await screenshot(page, 'graphiql-subscription')

  await runInGraphiQL(page, training)
  expect(await result(page, 'rowCount')).toMatch(/"rowCount":\s*50/)
  await screenshot(page, 'graphiql')

  expect(elsewhere).toEqual([])
  expect(complaints).toEqual([])
  await page.close()
})

test('GraphiQL greets a newcomer with tabs that each open at the first click, and icons without odd titles', async () => {
  const { page, complaints } = await openPage('/graphql')
  const tabs = page.locator('.graphiql-tab-button')
  await page.getByRole('button', { name: /Execute query/ }).waitFor()
  for (const name of ['Train', 'Publish', 'Lookup', 'Catalog']) {
    await tabs.filter({ hasText: name }).click()
    await page.locator('.graphiql-tab-active').filter({ hasText: name }).waitFor({ timeout: 10_000 })
  }
  expect(await page.locator('svg title').allTextContents()).not.toContainEqual(expect.stringMatching(/icon$/))
  expect(await page.getByRole('button', { name: 'Close Tab' }).count()).toBe(1)
  expect(complaints).toEqual([])
  await page.close()
})

test('GraphiQL is of use on a telephone: query, variables and result are all to be seen', async () => {
  const { page } = await openPage('/graphql')
  await page.setViewportSize({ width: 390, height: 844 })
  await runInGraphiQL(page, '{ __typename }')
  expect(await result(page, '__typename')).toContain('Query')
  for (const part of ['.graphiql-query-editor .monaco-editor', '.graphiql-response']) {
    const box = await page.locator(part).first().boundingBox()
    expect(box?.width, part).toBeGreaterThan(200)
    expect(box?.height, part).toBeGreaterThan(120)
    expect((box?.x ?? 0) + (box?.width ?? 0), part).toBeLessThanOrEqual(390)
  }
  await screenshot(page, 'graphiql-narrow')
  await page.close()
})

test('GraphiQL sends the headers that are filled in, with subscriptions too', async () => {
  const { catalog } = gateway.services
  const access = await openAccess(
    { required: true, jwt: null, downloadLinkSeconds: 60, openMetrics: false, ownNamesOnly: false },
    { catalog, log: gateway.log },
  )
  const guarded = await gateway.serve({ services: { ...gateway.services, access } })
  const { token } = await access.keyDesk.create({ name: 'ada', scopes: ['catalog:read'], expiresAt: null })
  const { publish } = await server.data<{ publish: { id: string } }>('mutation { publish(nFlows: 1) { id } }')

  const page = await chromium.newPage()
  const query = `subscription { publishProgress(jobId: "${publish.id}") { status } }`
  await page.goto(`${guarded.url}/graphql?query=${encodeURIComponent(query)}`)
  expect(await result(page, 'errors')).toContain('UNAUTHENTICATED')
  await page.getByRole('button', { name: 'Headers' }).click()
  await page.locator('.monaco-editor[data-uri*="headers"]').click()
  await page.keyboard.press('Control+A')
  // The editor closes the text and the brace itself.
  await page.keyboard.insertText(`{"Authorization": "Bearer ${token}`)
  await page.getByRole('button', { name: /Execute query/ }).click()
  expect(await result(page, 'publishProgress')).toContain('SUCCEEDED')
  await page.close()
  await guarded.close()
  await access.close()
})

test('the REST documentation lists the routes, with nothing from elsewhere', async () => {
  const { page, elsewhere, complaints } = await openPage('/docs')
  await page.locator('.opblock-summary-path').filter({ hasText: '/query/train' }).waitFor()
  await page
    .locator('.opblock-summary')
    .filter({ hasText: "One entity's rows of a saved query, now" })
    .click()
  await page.getByText('index_value').first().waitFor()
  await screenshot(page, 'docs')
  expect(elsewhere).toEqual([])
  expect(complaints).toEqual([])
  await page.close()
})

/** For whoever wants to look: SCREENSHOTS names a folder. */
async function screenshot(page: Page, name: string) {
  const folder = process.env.SCREENSHOTS
  if (folder) await page.screenshot({ path: `${folder}/${name}.png` })
}
