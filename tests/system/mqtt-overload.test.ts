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

const SENDERS = 6;
const EACH = 300;
const locationOf = (sender: number) => `drivers/driver-${sender}/location`;

const acknowledgedBy = (raw: RawConnection) =>
  raw.received.filter(({ type }) => type === TYPE.PUBACK).map(({ body }) => body.readUInt16BE(0));

const loginAll = async (): Promise<RawConnection[]> => {
  const bearer = await token('SERVICE', 'gateway');
  const logins = Array.from({ length: SENDERS }, () =>
    loginTcp(fleet.platform.ports.mqtt, { token: bearer }),
  );
  return Promise.all(logins);
};

test('what can not be kept is reported as OVERLOADED and not acknowledged; what was taken is stored once the database is back', async () => {
  const errors = await fleet.subscriber('SERVICE', 'gateway', 'drivers/gateway/errors', 1);
  const operator = await fleet.subscriber('OPERATOR', 'operator-1', 'drivers/+/location');
  const start = Date.now() - 1_000_000;
  const ids = Array.from({ length: EACH }, (_, index) => index + 1);
  const packet = (sender: number, id: number, dup = false) =>
    encode.publish(locationOf(sender), json(position({ speed: id, recordedAt: start + id })), {
      qos: 1,
      id,
      dup,
    });

  // The database answers, but no position can be written
  await lock.query('begin');
  await lock.query('lock table location_history in access exclusive mode');
  const before = await loginAll();
  before.forEach((raw, sender) => {
    raw.send(...ids.map((id) => packet(sender, id)));
  });
  const report = errorOf(await errors.next(() => true, 20_000));
  expect(report).toEqual({
    code: 'OVERLOADED',
    message: expect.any(String),
    topic: expect.stringMatching(/^drivers\/driver-\d\/location$/),
    at: expect.any(String),
    retryAfterMs: expect.any(Number),
  });
  expect(before.flatMap(acknowledgedBy)).toEqual([]);
  // Followers see what was taken, though the database can't have it yet
  await operator.next(({ payload }) => (payload as { speed: number }).speed > 10);
  await lock.query('rollback');

  // The devices send all of it again, as devices do: it is all acknowledged, and stored once
  for (const raw of before) raw.end();
  const after = await loginAll();
  await Promise.all(
    after.map(async (raw, sender) => {
      for (const id of ids) {
        raw.send(packet(sender, id, true));
        expect((await raw.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(id);
      }
      raw.end();
    }),
  );
  for (let sender = 0; sender < SENDERS; sender++) {
    const stored = await fleet.history(`driver-${sender}`);
    expect(stored.map((item) => (item as { speed?: number }).speed)).toEqual(ids);
  }
});
