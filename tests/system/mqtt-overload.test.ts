import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { errorOf, type Fleet, json, position, startFleet } from '../support/fleet.ts';
import { token } from '../support/platform.ts';
import { encode, loginTcp, type RawConnection, TYPE } from '../support/raw-mqtt.ts';

let fleet: Fleet;
let lock: Client;

beforeAll(async () => {
  fleet = await startFleet({ MAX_QUEUED_POSITIONS: '1000' });
  lock = new Client({ connectionString: fleet.databaseUrl });
  await lock.connect();
});
afterAll(async () => {
  await lock?.end();
  await fleet?.stop();
});

const location = 'drivers/driver-1/location';

const acknowledgedBy = (raw: RawConnection) =>
  raw.received.filter(({ type }) => type === TYPE.PUBACK).map(({ body }) => body.readUInt16BE(0));

test('what can not be kept is reported as OVERLOADED and not acknowledged; what was taken is stored once the database is back', async () => {
  const errors = await fleet.subscriber('DRIVER', 'driver-1', 'drivers/driver-1/errors', 1);
  const operator = await fleet.subscriber('OPERATOR', 'operator-1', 'drivers/+/location');
  const raw = await loginTcp(fleet.platform.ports.mqtt, { token: await token('DRIVER', 'driver-1') });
  // The database answers, but no position can be written
  await lock.query('begin');
  await lock.query('lock table location_history in access exclusive mode');
  const count = 1500;
  const start = Date.now() - 1_000_000;
  for (let id = 1; id <= count; id += 100) {
    const packets = Array.from({ length: 100 }, (_, index) =>
      encode.publish(location, json(position({ speed: id + index, recordedAt: start + id + index })), {
        qos: 1,
        id: id + index,
      }),
    );
    raw.send(...packets);
  }
  expect(errorOf(await errors.next(() => true, 20_000))).toEqual({
    code: 'OVERLOADED',
    message: expect.any(String),
    topic: location,
    at: expect.any(String),
    retryAfterMs: expect.any(Number),
  });
  expect(acknowledgedBy(raw)).toEqual([]);
  // Followers see what was taken, though the database can't have it yet
  await operator.next(({ topic, payload }) => topic === location && (payload as { speed: number }).speed === 500);
  await lock.query('rollback');

  // The device sends all of it again, as devices do: it is all acknowledged, and stored once
  raw.end();
  const again = await loginTcp(fleet.platform.ports.mqtt, { token: await token('DRIVER', 'driver-1') });
  for (let id = 1; id <= count; id++) {
    again.send(
      encode.publish(location, json(position({ speed: id, recordedAt: start + id })), { qos: 1, id, dup: true }),
    );
    expect((await again.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(id);
  }
  const stored = await fleet.history('driver-1');
  expect(stored.map((item) => (item as { speed?: number }).speed)).toEqual(
    Array.from({ length: count }, (_, index) => index + 1),
  );
  again.end();
});
