import { afterEach, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Presence } from '../../shared/presence/presence.ts';
import { reportedStatuses } from '../../shared/schemas/driver-status.ts';
import { PresenceCluster, type TestProcess, times } from '../support/presence-cluster.ts';
import { eventually } from '../support/redis.ts';

let shared: PresenceCluster;
let alone: PresenceCluster;
let clustered: TestProcess;
let single: Presence;

beforeEach(async () => {
  [shared, alone] = [new PresenceCluster(), new PresenceCluster()];
  clustered = await shared.process();
  single = alone.alone();
});
afterEach(async () => {
  await shared.end();
  await alone.end();
});

const status = fc.constantFrom(...reportedStatuses);
const event = fc.oneof(
  fc.record({ kind: fc.constant('report' as const), status }),
  fc.record({ kind: fc.constant('will' as const), status }),
  fc.record({ kind: fc.constantFrom('connected' as const, 'disconnected' as const, 'seen' as const) }),
  fc.record({ kind: fc.constant('trip' as const), onTrip: fc.boolean() }),
  fc.record({ kind: fc.constant('grace' as const) }),
);
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A driver that has gone through these, at both. */
class Twin {
  private connections = 0;
  private trips = 0;
  private apartSince: number | undefined;
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  /** So late after the driver's last connection was lost that its grace period may be over at one, and not at the other. */
  isUnfair(event: Event): boolean {
    const { apartSince } = this;
    return event.kind !== 'grace' && apartSince !== undefined && Date.now() - apartSince > times.graceMs / 2;
  }

  async live(event: Event): Promise<void> {
    const { id } = this;
    const both = [clustered.presence, single];
    const now = Date.now();
    switch (event.kind) {
      case 'report': {
        const answers = await Promise.all(both.map((presence) => presence.report(id, event.status, now)));
        expect(answers[0]).toBe(answers[1]);
        return;
      }
      case 'will':
        await Promise.all(both.map((presence) => presence.lastWill(id, event.status, now)));
        return;
      case 'connected':
        this.connections++;
        this.apartSince = undefined;
        for (const presence of both) presence.connected(id);
        return;
      case 'disconnected':
        // A connection that was closed was open
        if (this.connections === 0) return;
        this.connections--;
        if (this.connections === 0) this.apartSince = Date.now();
        for (const presence of both) presence.disconnected(id);
        return;
      case 'seen':
        for (const presence of both) presence.seen(id, now);
        return;
      case 'trip':
        clustered.presence.setOnTrip(id, event.onTrip, ++this.trips);
        single.setOnTrip(id, event.onTrip);
        return;
      case 'grace':
        await wait(times.graceMs + 100);
        this.apartSince = undefined;
    }
  }

  /** Both tell and store the same, soon, and go on to do so. */
  async same(): Promise<void> {
    const seen = () => [shared.of(this.id), alone.of(this.id)] as const;
    await eventually(seen, ([one, other]) => JSON.stringify(one) === JSON.stringify(other));
  }
}

test('of one process, the two adapters tell and store the same, whatever happens to a driver', async () => {
  let drivers = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(event, { minLength: 1, maxLength: 14 }), { minLength: 1, maxLength: 30 }),
      async (lives) => {
        // Many drivers at once: most of a life is waiting
        await Promise.all(
          lives.map(async (events) => {
            const twin = new Twin(`driver-${drivers++}`);
            for (const event of events) {
              if (twin.isUnfair(event)) break;
              await twin.live(event);
              await wait(25);
              await twin.same();
            }
            await wait(times.graceMs + 100);
            await twin.same();
          }),
        );
      },
    ),
    // What fails is told as it is: smaller lives take as long again
    { numRuns: 12, endOnFailure: true },
  );
  // As long as it takes: most of it is waiting, which a busy machine makes longer
}, 300_000);

test('a will that comes only after its connection was closed keeps nobody there', async () => {
  const twin = new Twin('bob');
  await twin.live({ kind: 'connected' });
  await twin.live({ kind: 'report', status: 'BUSY' });
  await twin.live({ kind: 'disconnected' });
  await twin.live({ kind: 'will', status: 'ONLINE' });
  await twin.same();
  await twin.live({ kind: 'grace' });
  await twin.same();
  expect(shared.of('bob').told).toBe('OFFLINE');
});
