import { expect } from '@jest/globals';
import { type Fleet, iso, json } from './fleet.ts';
import type { TestClient } from './mqtt-client.ts';
import { readHistory } from './position-sender.ts';
import { BUSY_MS, eventually } from './redis.ts';
import { caller } from './rest.ts';
import { isLocationOf, locationsOf, statusesOf, type TripBody, tripDesk } from './trips.ts';

/** Away from where its trip begins, so that it never arrives. */
const place = { latitude: 48.25, longitude: 16.4 };

/** A busy machine takes its time; who is starved waits for longer. */
const UNDISTURBED_MS = 2 * BUSY_MS;

/** It asks REST for its own trip with every so many positions. */
const POSITIONS_PER_READ = 10;

/**
 * A well-behaved driver and its rider, who have nothing to do with what a test does beside them and must notice nothing of it: a driver
 * who sends a position, waits for its acknowledgement and a moment more, and sends the next; a rider who follows that trip over WebSocket
 * and reads it over REST now and then.
 */
export class Bystander {
  readonly driverId: string;
  readonly riderId: string;
  /** recordedAt (epoch ms) of each position that was acknowledged, in order. */
  private readonly acknowledged: number[] = [];
  private readonly reads: number[] = [];
  private readonly fleet: Fleet;
  readonly tripId: string;
  private readonly driver: TestClient;
  private readonly rider: TestClient;
  private readonly pauseMs: number;
  private readonly running: Promise<void>;
  private isOver = false;

  private constructor(fleet: Fleet, trip: TripBody, driver: TestClient, rider: TestClient, pauseMs: number) {
    this.fleet = fleet;
    this.tripId = trip.id;
    this.driverId = trip.driverId ?? '';
    this.riderId = trip.riderId;
    this.driver = driver;
    this.rider = rider;
    this.pauseMs = pauseMs;
    this.running = this.drive();
    // The next look at it tells it
    this.running.catch(() => undefined);
  }

  /** `pauseMs` between an acknowledgement and the next position: more than the platform's limit for live positions, where it has one. */
  static async beside(fleet: Fleet, { name = 'bystander', pauseMs = 25 } = {}): Promise<Bystander> {
    const trip = await tripDesk(fleet.platform, fleet.token).bookIn('EN_ROUTE', {
      riderId: `${name}-rider`,
      driverId: `${name}-driver`,
    });
    const rider = await fleet.client('RIDER', trip.riderId, { url: fleet.platform.urls.ws });
    await rider.client.subscribeAsync([`trips/${trip.id}/#`, `riders/${trip.riderId}/#`], { qos: 1 });
    const driver = await fleet.subscriber('DRIVER', `${name}-driver`, `drivers/${name}-driver/errors`, 1);
    return new Bystander(fleet, trip, driver, rider, pauseMs);
  }

  /** Both are connected as they were, a position of now is acknowledged and delivered, and so is every one before it, once, in order. */
  async expectUndisturbed(): Promise<void> {
    const isConnected = () => this.driver.client.connected && this.rider.client.connected;
    // The one that is under way may have been sent before this
    const wanted = this.acknowledged.length + 2;
    const gone = this.running.then(() => this.acknowledged.length);
    const sent = eventually(
      () => this.acknowledged.length,
      (count) => count >= wanted || !isConnected(),
      UNDISTURBED_MS,
    );
    const count = await Promise.race([sent, gone]);
    expect(isConnected()).toBe(true);
    await this.rider.next(isLocationOf(this.tripId, this.acknowledged[count - 1]), UNDISTURBED_MS);
    const delivered = locationsOf(this.rider, this.tripId).map(({ recordedAt }) => recordedAt);
    expect(delivered.slice(0, count)).toEqual(this.acknowledged.slice(0, count).map(iso));
    this.expectNothingElse();
  }

  /** The same at the end; what was acknowledged is stored, once, and nothing else is. */
  async end(): Promise<void> {
    await this.expectUndisturbed();
    this.isOver = true;
    await this.running;
    const stored = await readHistory(
      this.fleet.platform,
      await this.fleet.token('SERVICE', 'historian'),
      this.driverId,
    );
    expect(stored.map(iso)).toEqual(this.acknowledged.map(iso));
    await Promise.all([this.driver.end(), this.rider.end()]);
  }

  private expectNothingElse(): void {
    expect(this.driver.received).toEqual([]);
    expect(statusesOf(this.rider, this.tripId).map(({ status }) => status)).toEqual(['EN_ROUTE']);
    const topics = new Set(this.rider.received.map(({ topic }) => topic));
    for (const kind of ['location', 'status']) topics.delete(`trips/${this.tripId}/${kind}`);
    expect([...topics]).toEqual([]);
    expect(this.reads.filter((status) => status !== 200)).toEqual([]);
  }

  private async drive(): Promise<void> {
    const read = caller(this.fleet.platform, await this.fleet.token('RIDER', this.riderId));
    for (let count = 0; !this.isOver; count++) {
      const recordedAt = Math.max(Date.now(), (this.acknowledged.at(-1) ?? 0) + 1);
      const payload = json({ ...place, recordedAt });
      await this.driver.client.publishAsync(`drivers/${this.driverId}/location`, payload, { qos: 1 });
      this.acknowledged.push(recordedAt);
      if (count % POSITIONS_PER_READ === 0)
        this.reads.push((await read.get(`/v1/trips/${this.tripId}`)).status);
      await new Promise((resolve) => setTimeout(resolve, this.pauseMs));
    }
  }
}
