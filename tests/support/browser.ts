import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Browser, chromium, type Page } from 'playwright-core';
import { spawn } from './child-process.ts';
import { needPrograms } from './services/programs.ts';

/** A browser that keeps to what a test tells it: nothing that it would do in the network of its own accord. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--remote-debugging-port=0',
];

export type WatchedPage = {
  page: Page;
  /** Every address that it wanted something from, also where its policy forbade it. */
  requests: readonly string[];
  /** What its console shows as an error, and what nobody caught. */
  errors: readonly string[];
  /** What its Content-Security-Policy has blocked: `directive blocked-address`. */
  violations: readonly string[];
};

export type TestBrowser = {
  /** In a profile of its own. */
  open(url: string): Promise<WatchedPage>;
  close(): Promise<void>;
};

export async function startBrowser(): Promise<TestBrowser> {
  const [program = ''] = await needPrograms('chromium');
  const profile = await mkdtemp(join(tmpdir(), 'fleetcast-browser-'));
  const child = spawn(program, [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const exited = once(child, 'exit');
  const browser = await chromium.connectOverCDP(await debuggingAddress(child));
  return {
    open: (url) => openPage(browser, url),
    async close() {
      await browser.close();
      child.kill();
      await exited;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Fails with what it said when it ends instead. */
async function debuggingAddress({ stderr }: ChildProcess): Promise<string> {
  if (stderr === null) throw new Error('a browser without stderr');
  const said: string[] = [];
  for await (const line of createInterface({ input: stderr })) {
    said.push(line);
    const [, address] = /^DevTools listening on (ws:.*)$/.exec(line) ?? [];
    if (address === undefined) continue;
    // Whatever it still has to say must not block it
    stderr.resume();
    return address;
  }
  throw new Error(`the browser ended:\n${said.join('\n')}`);
}

async function openPage(browser: Browser, url: string): Promise<WatchedPage> {
  const requests: string[] = [];
  const errors: string[] = [];
  const violations: string[] = [];
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
  const page = await context.newPage();
  context.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(error.message));
  await page.exposeFunction('reportViolation', (violation: string) => violations.push(violation));
  // As text: it runs in the page, whose names are not known here
  await page.addInitScript({
    content: `document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) =>
      reportViolation(effectiveDirective + ' ' + blockedURI));`,
  });
  await page.goto(url);
  return { page, requests, errors, violations };
}
