import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { AbuseStage } from '../support/abuse-stage.ts';
import { json, position } from '../support/fleet.ts';
import { metricsOf } from '../support/fuzz/metrics.ts';
import { decodePublish, encode, loginTcp, openTcp, type RawConnection, TYPE } from '../support/raw-mqtt.ts';
import { eventually } from '../support/redis.ts';
import { tripDesk } from '../support/trips.ts';

let stage: AbuseStage;
/** With the bystander's and the watcher's. */
let quiet: number;

const CONNECT_TIMEOUT_MS = 2000;

beforeAll(async () => {
  stage = await AbuseStage.open({
    LOG_LEVEL: 'debug',
    MQTT_CONNECT_TIMEOUT_MS: String(CONNECT_TIMEOUT_MS),
    OFFLINE_GRACE_MS: '60000',
  });
  quiet = await openConnections();
});
/** Nobody was disturbed, and whoever was there is gone. */
afterEach(async () => {
  await stage.bystander.expectUndisturbed();
  await eventually(openConnections, (count) => count === quiet);
});
afterAll(() => stage?.close());

const ports = () => stage.fleet.platform.ports;
const openConnections = async () => (await metricsOf(stage.fleet.platform)).sum('fleetcast_connections');
const connected = ({ stream }: RawConnection) => once(stream, 'connect');

async function expectRoom(): Promise<void> {
  const late = await loginTcp(ports().mqtt, { token: await stage.token('RIDER', 'late') });
  late.send(encode.ping());
  await late.next(TYPE.PINGRESP);
  late.end();
}

test('a thousand connections that say nothing, or say it a byte at a time, are closed, and keep nobody out', async () => {
  const connect = encode.connect({ token: await stage.token('RIDER', 'mallory') });
  const silent = Array.from({ length: 1000 }, () => openTcp(ports().mqtt));
  await Promise.all(silent.map(connected));
  const half = Array.from({ length: 50 }, () => openTcp(ports().mqtt));
  for (const connection of half) connection.send(connect.subarray(0, connect.length - 1));
  const slow = Array.from({ length: 50 }, () => openTcp(ports().mqtt));
  let at = 0;
  const dripping = setInterval(() => {
    for (const connection of slow) connection.send(connect.subarray(at, at + 1));
    at++;
  }, 100);
  await expectRoom();
  const all = [...silent, ...half, ...slow];
  await Promise.all(all.map(({ closed }) => closed));
  clearInterval(dripping);
  expect(all.flatMap(({ received }) => received)).toEqual([]);
});

test('a flood of connections that come and go is borne', async () => {
  for (let round = 0; round < 15; round++) {
    const flood = Array.from({ length: 100 }, () => openTcp(ports().mqtt));
    await Promise.all(flood.map(connected));
    for (const connection of flood) connection.end();
  }
  await expectRoom();
});

test('a keep alive of 0 or 65,535 s is no end, and none for the broker either', async () => {
  const bearer = await stage.token('RIDER', 'patient');
  for (const keepalive of [0, 65_535]) {
    const connection = await loginTcp(ports().mqtt, { token: bearer, keepalive });
    await stage.bystander.expectUndisturbed();
    connection.send(encode.ping());
    await connection.next(TYPE.PINGRESP);
    connection.end();
  }
});

test('riders that read nothing, or a byte a second, hold up nobody', async () => {
  const POSITIONS = 5000;
  const trip = await tripDesk(stage.fleet.platform).bookIn('EN_ROUTE', {
    riderId: 'sleepy',
    driverId: 'busy',
  });
  const topic = `trips/${trip.id}/location`;
  const readers = await Promise.all(
    Array.from({ length: 20 }, async () =>
      loginTcp(ports().mqtt, { token: await stage.token('RIDER', 'sleepy') }),
    ),
  );
  for (const reader of readers) {
    reader.send(encode.subscribe(1, [[`trips/${trip.id}/#`, 1]]));
    await reader.next(TYPE.SUBACK);
  }
  const [awake, ...asleep] = readers as [RawConnection, ...RawConnection[]];
  for (const { stream } of asleep) {
    stream.removeAllListeners('data');
    stream.pause();
  }
  const sipping = setInterval(() => {
    for (const { stream } of asleep.slice(10)) stream.read(1);
  }, 1000);
  const driver = await loginTcp(ports().mqtt, { token: await stage.token('DRIVER', 'busy') });
  const first = Date.now() - POSITIONS;
  for (let index = 0; index < POSITIONS; index++) {
    const payload = json(position({ speed: index, recordedAt: first + index }));
    driver.send(encode.publish('drivers/busy/location', payload, { qos: 1, id: index + 1 }));
    // As fast as it is acknowledged
    if (index % 1000 === 999) while ((await driver.next(TYPE.PUBACK)).body.readUInt16BE(0) !== index + 1);
  }
  const places = () =>
    awake.received
      .filter(({ type }) => type === TYPE.PUBLISH)
      .map(decodePublish)
      .filter((message) => message.topic === topic)
      .map(({ payload }) => (payload as { speed: number }).speed);
  await eventually(places, (speeds) => speeds.at(-1) === POSITIONS - 1);
  expect(places()).toEqual(places().toSorted((a, b) => a - b));
  await stage.bystander.expectUndisturbed();
  clearInterval(sipping);
  for (const connection of [driver, ...readers]) connection.end();
});

test('a whole fleet that is cut off comes back at once, and each of it is served', async () => {
  const DRIVERS = 500;
  const tokens = await Promise.all(
    Array.from({ length: DRIVERS }, (_, index) => stage.fleet.token('DRIVER', `storm-${index}`)),
  );
  const comeIn = () =>
    Promise.all(
      tokens.map((token, index) =>
        loginTcp(ports().mqtt, {
          token,
          clientId: 'phone',
          clean: index % 2 === 0,
          keepalive: 60,
          will: { topic: `drivers/storm-${index}/status`, payload: json({ status: 'OFFLINE' }) },
        }),
      ),
    );
  let fleet = await comeIn();
  for (let storm = 0; storm < 2; storm++) {
    for (const { stream } of fleet) stream.destroy();
    fleet = await comeIn();
  }
  const acknowledged = fleet.map(async (driver, index) => {
    driver.send(encode.publish(`drivers/storm-${index}/location`, json(position()), { qos: 1, id: 5 }));
    return (await driver.next(TYPE.PUBACK)).body.readUInt16BE(0);
  });
  expect(new Set(await Promise.all(acknowledged))).toEqual(new Set([5]));
  await eventually(openConnections, (count) => count === quiet + DRIVERS);
  for (const driver of fleet) driver.send(encode.disconnect());
  await Promise.all(fleet.map(({ closed }) => closed));
});
