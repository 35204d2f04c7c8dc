import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { tripDesk } from '../support/trips.ts';
import { drive, say, WatchedDrivers } from '../support/watched-drivers.ts';

const fleet = new WatchedDrivers();

beforeAll(() => fleet.start());
afterAll(() => fleet.stop());

describe.each(['SIGTERM', 'SIGKILL'] as const)('after %s and a new start', (signal) => {
  test('everybody is what it was; who does not come back is OFFLINE after the grace time; a trip goes on, or is over', async () => {
    const desk = tripDesk(fleet.platform);
    const names = ['busy', 'gone', 'offline', 'riding', 'arriving'] as const;
    const ids = Object.fromEntries(names.map((name) => [name, fleet.newDriver()])) as Record<
      (typeof names)[number],
      string
    >;
    const clients = await Promise.all(names.map((name) => fleet.connect(ids[name])));
    for (const [index, name] of names.entries()) {
      const client = clients[index];
      if (client === undefined) continue;
      await drive(client, ids[name]);
      await say(client, ids[name], name === 'offline' ? 'OFFLINE' : 'BUSY');
    }
    const riding = await desk.bookIn('IN_PROGRESS', { driverId: ids.riding });
    const arriving = await desk.bookIn('IN_PROGRESS', { driverId: ids.arriving });
    await fleet.told(ids.riding, 'ON_TRIP');
    await fleet.told(ids.arriving, 'ON_TRIP');
    await fleet.restart(signal);
    await Promise.all(clients.map((client) => client.end()));
    const later = tripDesk(fleet.platform);
    const back = await fleet.connect(ids.busy);
    expect((await fleet.retainedOf(ids.busy)).payload).toMatchObject({ status: 'BUSY' });
    expect((await fleet.retainedOf(ids.offline)).payload).toMatchObject({ status: 'OFFLINE' });
    expect((await fleet.retainedOf(ids.riding)).payload).toMatchObject({ status: 'ON_TRIP' });
    await fleet.told(ids.gone, 'OFFLINE');
    expect(await fleet.storedOf(ids.gone)).toBe('OFFLINE');
    expect(await fleet.storedOf(ids.busy)).toBe('BUSY');
    expect(await fleet.storedOf(ids.riding)).toBe('ON_TRIP');
    const rider = await fleet.connect(ids.riding);
    await later.move(riding.id, 'COMPLETED');
    await fleet.told(ids.riding, 'ONLINE');
    // Nobody is at the wheel of this one any more
    await later.move(arriving.id, 'COMPLETED');
    await fleet.told(ids.arriving, 'OFFLINE');
    await Promise.all([back.end(), rider.end()]);
  });
});
