import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { provideDatabase } from '../support/embedded-database.ts';
import { type Platform, startPlatform, temporaryDataDir, token } from '../support/platform.ts';
import { PositionSender, readHistory } from '../support/position-sender.ts';

/** Acknowledged is kept (SPEC section 9): embedded, where one process does everything. */

const PATIENCE_MS = 240_000;

let dataDir: Awaited<ReturnType<typeof temporaryDataDir>>;
let platform: Platform;
let operator: string;

const start = async () => {
  platform = await startPlatform({ DATA_DIR: dataDir.path, BACKLOG_MAX_PER_MINUTE: '1000000' });
};

beforeAll(async () => {
  dataDir = await temporaryDataDir();
  operator = await token('OPERATOR', 'operator-1');
  await provideDatabase(dataDir.path);
  await start();
}, PATIENCE_MS);
beforeEach(async () => {
  // A test that failed may have left none
  if (platform.process.exitCode !== null || platform.process.signalCode !== null) await start();
}, PATIENCE_MS);
afterAll(async () => {
  await platform?.stop();
  await dataDir.remove();
});

const senderOf = async (driverId: string) => {
  const sender = new PositionSender(driverId, await token('DRIVER', driverId));
  await sender.connect(platform);
  return sender;
};

/** Nothing acknowledged is missing, nothing is there twice, and nothing that was never sent. */
async function expectKept(driverId: string, { sent, acknowledged }: PositionSender): Promise<void> {
  const stored = await readHistory(platform, operator, driverId);
  const once = new Set(stored);
  const ever = new Set(sent);
  expect(once.size).toBe(stored.length);
  expect([...acknowledged].filter((time) => !once.has(time))).toEqual([]);
  expect(stored.filter((time) => !ever.has(time))).toEqual([]);
}

/** What was lost unacknowledged is sent again; then all of it stands there once, in its order. */
async function expectWholeAfterResend(driverId: string, sender: PositionSender): Promise<void> {
  await sender.connect(platform);
  await sender.resend();
  await sender.end();
  expect(await readHistory(platform, operator, driverId)).toEqual(sender.sent);
}

test(
  'a position that is acknowledged over MQTT survives kill -9 at any moment, and is stored once',
  async () => {
    const sender = await senderOf('driver-live');
    for (let round = 0; round < 2; round++) {
      if (round > 0) await sender.connect(platform);
      await sender.untilAcknowledged(randomInt(50, 600));
      await platform.kill();
      expect(sender.sent.length).toBeGreaterThan(sender.acknowledged.size);
      await start();
      await expectKept('driver-live', sender);
    }
    await expectWholeAfterResend('driver-live', sender);
  },
  PATIENCE_MS,
);

test(
  'so do backlogs, and what got a 202 over REST',
  async () => {
    const sender = await senderOf('driver-backlog');
    const rest = new PositionSender('driver-rest', await token('DRIVER', 'driver-rest'));
    const posting = rest.post(platform);
    sender.sendBacklogs(100);
    await sender.untilAcknowledged(randomInt(200, 1500));
    sender.sendBacklogs(100);
    await platform.kill();
    await posting;
    expect(rest.acknowledged.size).toBeGreaterThan(0);
    await start();
    await expectKept('driver-backlog', sender);
    await expectKept('driver-rest', rest);
    await expectWholeAfterResend('driver-backlog', sender);
  },
  PATIENCE_MS,
);

test(
  'a process that is told to stop keeps what it has acknowledged, and ends with status 0',
  async () => {
    const sender = await senderOf('driver-stop');
    await sender.untilAcknowledged(300);
    sender.sendBacklogs(20);
    expect(await platform.stop()).toBe(0);
    await start();
    await expectKept('driver-stop', sender);
    await expectWholeAfterResend('driver-stop', sender);
  },
  PATIENCE_MS,
);

test(
  'a second process on the same folder is refused with what is wrong, and does no harm',
  async () => {
    await expect(startPlatform({ DATA_DIR: dataDir.path })).rejects.toThrow(
      /ended with status 1:[\s\S]*DATA_DIR .* is in use by another running process/,
    );
    const sender = await senderOf('driver-alone');
    await sender.untilAcknowledged(50);
    await sender.end();
    await expectKept('driver-alone', sender);
  },
  PATIENCE_MS,
);

test(
  'history in pages has every position once and in its order, also while more come in',
  async () => {
    const sender = await senderOf('driver-pages');
    await sender.untilAcknowledged(500);
    const before = sender.acknowledged.size;
    const firstOnes = sender.sent.slice(0, before);
    const more = sender.untilAcknowledged(500);
    for (const limit of [7, 100, 1000]) {
      const pages = await readHistory(platform, operator, 'driver-pages', limit);
      expect(pages).toEqual([...new Set(pages)].toSorted((a, b) => a - b));
      expect(pages.slice(0, before)).toEqual(firstOnes);
    }
    await more;
    await sender.end();
  },
  PATIENCE_MS,
);
