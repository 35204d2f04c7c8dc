import { expect } from '@jest/globals';
import type { TestClient } from './mqtt-client.ts';
import { type Platform, request } from './platform.ts';
import { eventually } from './redis.ts';

/** ms between two positions, once the one before is acknowledged. */
const PAUSE_MS = 20;

/** epoch ms; `sentAt` is the time that it was recorded at. */
export type Sent = { sentAt: number; acknowledgedAt: number };

/** A driver that sends positions, one after the other, until it is ended. */
export class SteadyDriver {
  readonly sent: Sent[] = [];
  readonly driverId: string;
  private isOver = false;
  private readonly running: Promise<void>;

  constructor(client: TestClient, driverId: string) {
    this.driverId = driverId;
    this.running = this.drive(client);
    // `end` tells it; where a test fails before that, its clients are ended first
    this.running.catch(() => undefined);
  }

  /** How many of those that were sent since (epoch ms) are acknowledged. */
  acknowledgedSince(since: number): number {
    return this.sent.filter(({ sentAt }) => sentAt >= since).length;
  }

  async end(): Promise<void> {
    this.isOver = true;
    await this.running;
  }

  /** Waits until all that was promised is stored, and nothing twice. @returns how many of the others are not there */
  async account(api: Platform, bearer: string, isPromised: (sent: Sent) => boolean): Promise<number> {
    const wanted = this.sent.filter(isPromised);
    const stored = await eventually(
      () => timesStored(api, bearer, this.driverId),
      (times) => wanted.every(({ sentAt }) => times.includes(sentAt)),
    );
    expect(new Set(stored).size).toBe(stored.length);
    return this.sent.filter(({ sentAt }) => !stored.includes(sentAt)).length;
  }

  private async drive(client: TestClient): Promise<void> {
    while (!this.isOver) {
      const sentAt = Date.now();
      const position = JSON.stringify({ latitude: 48, longitude: 16, recordedAt: sentAt });
      await client.client.publishAsync(`drivers/${this.driverId}/location`, position, { qos: 1 });
      this.sent.push({ sentAt, acknowledgedAt: Date.now() });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

async function timesStored(api: Platform, bearer: string, driverId: string): Promise<number[]> {
  const times: number[] = [];
  let query = 'limit=1000';
  for (;;) {
    const { body } = await request(api, bearer, 'GET', `/v1/drivers/${driverId}/history?${query}`);
    const { items, nextCursor } = body as { items: { recordedAt: string }[]; nextCursor: string | null };
    times.push(...items.map(({ recordedAt }) => Date.parse(recordedAt)));
    if (nextCursor === null) return times;
    query = `limit=1000&cursor=${encodeURIComponent(nextCursor)}`;
  }
}
