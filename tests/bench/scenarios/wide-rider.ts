import { token } from '../../support/platform.ts';
import { type Measured, measure } from '../generator.ts';
import type { Stage } from '../stage.ts';
import { bookTrips } from '../trips.ts';

export type WideOptions = { followers: number; rate: number; seconds: number };

/** One trip that many follow, as the guests of a shared link. */
export async function runWideRider(
  stage: Stage,
  { followers, rate, seconds }: WideOptions,
): Promise<Measured> {
  const { brokers, api } = stage;
  const [booked] = await bookTrips(api.urls.rest, 1, `wide${Date.now().toString(36)}`);
  if (booked === undefined) throw new Error('no trip was booked');
  const { driverId, tripId } = booked;
  const driver = {
    clientId: driverId,
    password: await token('DRIVER', driverId),
    topic: `drivers/${driverId}/location`,
  };
  const guests = await Promise.all(
    Array.from({ length: followers }, async (_, index) => ({
      clientId: 'guest',
      password: await token('VIEWER', `guest-${index}`, { trips: [tripId] }),
      filter: `trips/${tripId}/location`,
      qos: 0 as const,
    })),
  );
  return measure(
    {
      host: '127.0.0.1',
      mqttPorts: brokers.map(({ ports }) => ports.mqtt),
      wsPorts: brokers.map(({ ports }) => ports.ws),
      convoys: [{ driver, followers: guests }],
      qos: 1,
      rate,
      warmUpSeconds: 2,
      seconds,
      settleMs: 10_000,
    },
    stage.meters,
  );
}
