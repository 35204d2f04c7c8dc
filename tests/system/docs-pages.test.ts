import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Locator } from 'playwright-core';
import { startBrowser, type TestBrowser, type WatchedPage } from '../support/browser.ts';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { type Platform, request, startPlatform, token } from '../support/platform.ts';

/* /docs and /redoc in a real browser, under the policy that they are served with. */

type Operation = { operationId: string; summary: string; tags: string[] };

let database: TestDatabase;
let platform: Platform;
let browser: TestBrowser;
/** `GET /v1/trips` and what the document says of it. */
let operations: [string, Operation][];

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url });
  browser = await startBrowser();
  const { paths } = (await request(platform, undefined, 'GET', '/openapi.json')).body as {
    paths: Record<string, Record<string, Operation>>;
  };
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await platform?.stop();
  await database?.drop();
});

const names = () => operations.map(([name]) => name).sort();

/** As it is to be read. Waits for it. */
async function textOf(element: Locator): Promise<string> {
  await element.waitFor();
  return (await element.allInnerTexts()).join('\n');
}

/** It asked nobody else for anything, and nothing went wrong. */
function expectClean({ requests, errors, violations }: WatchedPage): void {
  const elsewhere = requests.filter((url) => !new RegExp(`^(blob:)?${platform.urls.rest}/|^data:`).test(url));
  expect({ elsewhere, errors, violations }).toEqual({ elsewhere: [], errors: [], violations: [] });
}

describe('Swagger UI', () => {
  let watched: WatchedPage;
  beforeAll(async () => {
    watched = await browser.open(`${platform.urls.rest}/docs`);
    await watched.page.locator('.opblock').first().waitFor();
  });

  const block = (operationId: string) => watched.page.locator(`.opblock[id$="-${operationId}"]`);

  /** An operation, filled in and sent. @returns what is shown of the answer */
  async function tryOut(operationId: string, parameters: Record<string, string>) {
    const opened = block(operationId);
    const start = opened.getByRole('button', { name: 'Try it out' });
    if (!(await start.isVisible())) await opened.locator('.opblock-summary-control').click();
    await start.click();
    for (const [name, value] of Object.entries(parameters))
      await opened.locator(`tr[data-param-name="${name}"] input`).fill(value);
    await opened.getByRole('button', { name: 'Execute' }).click();
    const answer = opened.locator('.live-responses-table tbody tr').first();
    return {
      status: await textOf(answer.locator('.response-col_status')),
      body: JSON.parse(await textOf(answer.locator('.highlight-code code').first())) as unknown,
    };
  }

  test('shows every operation', async () => {
    const shown = await watched.page
      .locator('.opblock-summary')
      .evaluateAll((summaries: { querySelector(selector: string): { textContent: string } | null }[]) =>
        summaries.map((summary) =>
          ['.opblock-summary-method', '.opblock-summary-path']
            .map((selector) => summary.querySelector(selector)?.textContent.replaceAll('\u200b', ''))
            .join(' '),
        ),
      );
    expect(shown.sort()).toEqual(names());
    expectClean(watched);
  });

  test('opens them under its policy', async () => {
    // One of each tag: a small machine needs a second for each
    const ofTag = new Map(operations.map(([, { tags, operationId }]) => [tags[0], operationId]));
    for (const operationId of ofTag.values()) {
      const summary = block(operationId).locator('.opblock-summary-control');
      await summary.click();
      await block(operationId).locator('.responses-table').first().waitFor();
      await summary.click();
    }
    expect(ofTag.size).toBeGreaterThan(3);
    expectClean(watched);
  });

  test('"Try it out" sends a request with the token, and shows the answer', async () => {
    const { page } = watched;
    const refused = await tryOut('getLocation', { driverId: 'driver-1' }).finally(() =>
      block('getLocation').getByRole('button', { name: 'Cancel' }).click(),
    );
    expect(refused).toMatchObject({ body: { code: 'UNAUTHORIZED' } });
    expect(refused.status).toMatch(/^401/);

    const service = await token('SERVICE', 'booking');
    await request(platform, service, 'POST', '/v1/drivers/driver-1/location', {
      latitude: 48.2,
      longitude: 16.4,
    });
    await page.locator('.auth-wrapper .btn.authorize').click();
    await page.locator('#auth-bearer-value').fill(service);
    await page
      .locator('.auth-container', { has: page.locator('#auth-bearer-value') })
      .getByRole('button', { name: 'Apply credentials' })
      .click();
    await page.locator('.dialog-ux .close-modal').click();

    const found = await tryOut('getLocation', { driverId: 'driver-1' });
    expect(found.status).toBe('200');
    expect(found.body).toMatchObject({ driverId: 'driver-1', latitude: 48.2, longitude: 16.4 });
  });

  test('an example is good to be sent as it stands', async () => {
    const booked = await tryOut('bookTrip', {});
    expect(booked.status).toBe('201');
    const { id } = booked.body as { id: string };
    const { body } = await request(platform, await token('SERVICE', 'booking'), 'GET', `/v1/trips/${id}`);
    expect(body).toEqual(booked.body);
    const [sent] = watched.requests.filter((url) => url.endsWith('/v1/trips'));
    expect(sent).toBe(`${platform.urls.rest}/v1/trips`);
  });

  test('has asked no other host for anything, and its policy had nothing to block', () => {
    // A refusal is what one of the tests asked for
    const errors = watched.errors.filter((text) => !/status of 401/.test(text));
    expectClean({ ...watched, errors });
  });
});

describe('Redoc', () => {
  let watched: WatchedPage;
  beforeAll(async () => {
    watched = await browser.open(`${platform.urls.rest}/redoc`);
    await watched.page.locator('[role="menu"]').first().waitFor();
  });

  test('shows every operation', async () => {
    for (const [name, { operationId, summary }] of operations) {
      const section = watched.page.locator(`[id$="/operation/${operationId}"]`);
      await section.waitFor();
      const shown = (await textOf(section)).replace(/\s+/g, ' ');
      expect(shown).toContain(summary);
      const [method = '', path = ''] = name.split(' ');
      expect(shown.toUpperCase()).toContain(`${method} ${path.toUpperCase()}`);
    }
    expectClean(watched);
  });

  test('looks as its makers want it: the policy lets its styles in', async () => {
    const color = (selector: string) =>
      watched.page.evaluate(`getComputedStyle(document.querySelector('${selector}')).backgroundColor`);
    expect(await color('.menu-content')).toBe('rgb(250, 250, 250)');
    expect(await color('[type="get"]')).not.toBe('rgba(0, 0, 0, 0)');
  });

  test('finds, with a worker of its own', async () => {
    await watched.page.locator('input[placeholder="Search..."]').fill('share');
    await watched.page.locator('[data-role="search:results"] [role="menuitem"]').first().waitFor();
    expect(await textOf(watched.page.locator('[data-role="search:results"]'))).toContain(
      'Share a trip: a link to follow it',
    );
    expect(watched.requests).toContainEqual(expect.stringMatching(/^blob:/));
    expectClean(watched);
  });
});

describe.each(['/docs', '/redoc'])('%s', (path) => {
  test('has nothing inline', async () => {
    const { body } = await request(platform, undefined, 'GET', path);
    expect(body).not.toMatch(/<style|\sstyle=|\son\w+=|<script[^>]*>[^<]/i);
  });

  test('is kept from what it does not bring along, and that is seen here', async () => {
    const watched = await browser.open(`${platform.urls.rest}${path}`);
    await watched.page.evaluate(`new Promise((resolve) => {
      let violations = 0;
      document.addEventListener('securitypolicyviolation', () => ++violations === 3 && resolve());
      for (const [name, text] of [['style', 'body { color: red }'], ['script', 'window.wasHere = true']])
        document.head.append(Object.assign(document.createElement(name), { textContent: text }));
      new Image().src = 'http://outside.invalid/';
    })`);
    expect([...watched.violations].sort()).toEqual([
      'img-src http://outside.invalid/',
      'script-src-elem inline',
      'style-src-elem inline',
    ]);
    expect(watched.requests).toContain('http://outside.invalid/');
    expect(await watched.page.evaluate('window.wasHere')).toBeUndefined();
    expect(() => expectClean(watched)).toThrow();
  });
});
