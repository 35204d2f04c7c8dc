import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Fleet, json, position, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import { encode, loginTcp, type RawConnection, TYPE } from '../support/raw-mqtt.ts';

let fleet: Fleet;
let service: TestClient;

beforeAll(async () => {
  fleet = await startFleet();
  service = await fleet.client('SERVICE', 'service-1');
});
afterAll(() => fleet?.stop());

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${fleet.platform.urls.metrics}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(name));
  return line === undefined ? 0 : Number(line.split(' ').at(-1));
}

/** Subscribes, and from then on reads nothing. */
async function freeze(raw: RawConnection, filter: string, qos: number): Promise<void> {
  raw.send(encode.subscribe(1, [[filter, qos]]));
  await raw.next(TYPE.SUBACK);
  raw.stream.pause();
}

const login = async (role: 'OPERATOR' | 'DRIVER', sub: string) =>
  loginTcp(fleet.platform.ports.mqtt, { token: await token(role, sub) });

test('an operator that reads nothing holds nobody up: the others get every position, and it is left out', async () => {
  const frozen = await login('OPERATOR', 'frozen-1');
  await freeze(frozen, 'drivers/+/location', 0);
  const reader = await fleet.subscriber('OPERATOR', 'reader-1', 'drivers/+/location');
  const dropped = 'fleetcast_messages_dropped_total{reason="slow_reader"}';
  const perRound = 2000;
  let sent = 0;
  // Until the buffers of both kernels are full, and some more
  for (let rounds = 0; rounds < 30 && (await metric(dropped)) < perRound; rounds++) {
    await Promise.all(
      Array.from({ length: perRound }, (_, index) =>
        service.client.publishAsync(
          `drivers/flow-${index % 50}/location`,
          json(position({ speed: ++sent })),
          {
            qos: 1,
          },
        ),
      ),
    );
    await reader.next(() => reader.received.length >= sent, 20_000);
  }
  expect(await metric(dropped)).toBeGreaterThanOrEqual(perRound);
  const byDriver = new Map<string, number[]>();
  for (const { topic, payload } of reader.received)
    byDriver.set(topic, [...(byDriver.get(topic) ?? []), (payload as { speed: number }).speed]);
  for (const speeds of byDriver.values()) expect(speeds).toEqual([...speeds].sort((a, b) => a - b));
  expect(new Set(reader.received.map(({ payload }) => (payload as { speed: number }).speed)).size).toBe(sent);
  frozen.end();
});

test('a driver that never reads what is refused is closed in the end, and nobody else waits for it', async () => {
  const frozen = await login('DRIVER', 'frozen-2');
  await freeze(frozen, 'drivers/frozen-2/errors', 1);
  // Each is answered with a report of about 400 bytes that nobody reads
  const wrong = encode.publish(`drivers/frozen-2/${'x'.repeat(250)}`, '');
  const many = Buffer.concat(Array.from({ length: 200 }, () => wrong));
  const other = await login('DRIVER', 'frozen-2');
  const flood = setInterval(() => other.send(many), 10);
  const driver = await fleet.subscriber('DRIVER', 'busy-1', 'drivers/busy-1/location');
  const connected = () => metric('fleetcast_connections{transport="TCP",role="DRIVER"}');
  const before = await connected();
  const deadline = Date.now() + 40_000;
  let speed = 0;
  while ((await connected()) >= before && Date.now() < deadline) {
    speed++;
    await driver.client.publishAsync('drivers/busy-1/location', json(position({ speed })), { qos: 1 });
    await driver.next(() => driver.received.length >= speed);
  }
  clearInterval(flood);
  expect(await connected()).toBe(before - 1);
  // It is told so when it reads again
  frozen.stream.resume();
  await frozen.closed;
  other.end();
});
