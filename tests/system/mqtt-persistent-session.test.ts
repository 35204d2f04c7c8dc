import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ErrorMessage, errorOf, type Fleet, json, position, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import { decodePublish, encode, loginTcp, type RawConnection, TYPE } from '../support/raw-mqtt.ts';

let fleet: Fleet;
let service: TestClient;

beforeAll(async () => {
  fleet = await startFleet();
  service = await fleet.client('SERVICE', 'service-1');
});
afterAll(() => fleet?.stop());

const session = { clientId: 'phone', clean: false };

const login = async (sub: string, options: { clientId?: string; clean?: boolean } = session) =>
  loginTcp(fleet.platform.ports.mqtt, { token: await token('DRIVER', sub), ...options });

async function subscribe(raw: RawConnection, ...filters: (readonly [string, number])[]): Promise<void> {
  raw.send(encode.subscribe(1, filters));
  const granted = [...(await raw.next(TYPE.SUBACK)).body.subarray(2)];
  if (granted.includes(0x80)) throw new Error(`refused: ${granted}`);
}

/** Leaves with a DISCONNECT, and is away when it settles. */
async function leave(raw: RawConnection): Promise<void> {
  raw.send(encode.disconnect());
  await raw.closed;
}

/** Has something refused on another connection of the driver; `mark` is what tells it from the others. */
async function failOnce(other: TestClient, sub: string, mark: string): Promise<void> {
  await other.client.publishAsync(`drivers/${sub}/${mark}`, '', { qos: 1 });
}

const marksOf = (messages: readonly { payload: unknown }[]) =>
  messages.map(({ payload }) => (payload as ErrorMessage).topic.split('/')[2]);

/** The next `count` messages, acknowledged as a client does. */
async function take(raw: RawConnection, count: number): Promise<ReturnType<typeof decodePublish>[]> {
  const messages: ReturnType<typeof decodePublish>[] = [];
  let unreleased = 0;
  while (messages.length < count || unreleased > 0) {
    const packet = await raw.next(TYPE.PUBLISH, TYPE.PUBREL);
    if (packet.type === TYPE.PUBREL) {
      raw.send(encode.acknowledge(TYPE.PUBCOMP, packet.body.readUInt16BE(0)));
      unreleased--;
      continue;
    }
    const message = decodePublish(packet);
    messages.push(message);
    if (message.qos === 1) raw.send(encode.acknowledge(TYPE.PUBACK, message.id));
    if (message.qos === 2) {
      raw.send(encode.acknowledge(TYPE.PUBREC, message.id));
      unreleased++;
    }
  }
  return messages;
}

const takeMarks = async (raw: RawConnection, count: number) => marksOf(await take(raw, count));

describe.each([1, 2] as const)('errors asked for at QoS %i', (qos) => {
  test.each(['errors', '+', '#'])(
    'on drivers/{id}/%s are kept for who is away, in order, once',
    async (level) => {
      const sub = `away-${qos}-${level === '+' ? 'plus' : level === '#' ? 'hash' : level}`;
      const phone = await login(sub);
      await subscribe(phone, [`drivers/${sub}/${level}`, qos]);
      await leave(phone);
      const other = await fleet.client('DRIVER', sub);
      for (const mark of ['first', 'second', 'third']) await failOnce(other, sub, mark);
      const back = await login(sub);
      expect((back.received[0]?.body[0] ?? 0) & 1).toBe(1);
      const waited = await take(back, 3);
      await failOnce(other, sub, 'live');
      const messages = [...waited, ...(await take(back, 1))];
      for (const message of messages)
        expect(message).toMatchObject({ topic: `drivers/${sub}/errors`, qos, dup: false, retain: false });
      expect(marksOf(messages)).toEqual(['first', 'second', 'third', 'live']);
      await leave(back);
      // What was acknowledged does not come again: the next one is the first
      await failOnce(other, sub, 'last');
      const again = await login(sub);
      expect(await takeMarks(again, 1)).toEqual(['last']);
      again.end();
    },
  );

  test('that were sent and not acknowledged come again, and say so', async () => {
    const sub = `unacknowledged-${qos}`;
    const phone = await login(sub);
    await subscribe(phone, [`drivers/${sub}/errors`, qos]);
    const other = await fleet.client('DRIVER', sub);
    await failOnce(other, sub, 'lost');
    await phone.next(TYPE.PUBLISH);
    phone.end();
    await phone.closed;
    const back = await login(sub);
    const [message] = await take(back, 1);
    expect(message).toMatchObject({ qos, dup: true, payload: { code: 'FORBIDDEN' } });
    await failOnce(other, sub, 'marker');
    const [marker] = await take(back, 1);
    expect(marker).toMatchObject({ dup: false, payload: { topic: `drivers/${sub}/marker` } });
    back.end();
  });
});

test('errors matched by two filters of a session come once, at the higher QoS', async () => {
  const phone = await login('overlap-1');
  await subscribe(phone, ['drivers/overlap-1/#', 1], ['drivers/overlap-1/errors', 2]);
  const other = await fleet.client('DRIVER', 'overlap-1');
  await failOnce(other, 'overlap-1', 'live');
  const live = await take(phone, 1);
  await leave(phone);
  await failOnce(other, 'overlap-1', 'away');
  const back = await login('overlap-1');
  const away = await take(back, 1);
  await failOnce(other, 'overlap-1', 'marker');
  const marker = await take(back, 1);
  const messages = [...live, ...away, ...marker];
  expect(marksOf(messages)).toEqual(['live', 'away', 'marker']);
  expect(messages.map(({ qos }) => qos)).toEqual([2, 2, 2]);
  back.end();
});

test('statuses are kept for an operator who is away, in order and not as retained messages; positions are not kept', async () => {
  const id = 'status-1';
  const desk = await fleet.returning('OPERATOR', 'operator-1', 'desk');
  expect(desk.sessionPresent).toBe(false);
  await desk.client.subscribeAsync([`drivers/${id}/status`, `drivers/${id}/location`], { qos: 2 });
  await desk.client.endAsync();
  for (const status of ['BUSY', 'ONLINE', 'OFFLINE'])
    await service.client.publishAsync(`drivers/${id}/status`, json({ status }), { qos: 1 });
  await service.client.publishAsync(`drivers/${id}/location`, json(position({ speed: 1 })), { qos: 2 });
  const back = await fleet.returning('OPERATOR', 'operator-1', 'desk');
  expect(back.sessionPresent).toBe(true);
  await service.client.publishAsync(`drivers/${id}/location`, json(position({ speed: 2 })), { qos: 2 });
  await back.next(({ payload }) => (payload as { speed?: number }).speed === 2);
  await service.client.publishAsync(`drivers/${id}/status`, json({ status: 'BUSY' }), { qos: 1 });
  const statuses = () => back.received.filter(({ topic }) => topic.endsWith('/status'));
  // A position after OFFLINE makes a driver ONLINE again: that is a status of its own, before the last
  const said = () => statuses().map(({ payload }) => (payload as { status: string }).status);
  await back.next(() => said().length >= 4 && said().at(-1) === 'BUSY');
  expect(said().slice(0, 3)).toEqual(['BUSY', 'ONLINE', 'OFFLINE']);
  for (const message of statuses()) expect(message).toMatchObject({ qos: 2, retain: false });
  expect(back.received.filter(({ topic }) => topic.endsWith('/location'))).toHaveLength(1);
});

describe('a session', () => {
  test('ends with a clean login', async () => {
    const phone = await login('clean-1');
    await subscribe(phone, ['drivers/clean-1/errors', 1]);
    await leave(phone);
    const other = await fleet.client('DRIVER', 'clean-1');
    await failOnce(other, 'clean-1', 'forgotten');
    await leave(await login('clean-1', { ...session, clean: true }));
    const back = await login('clean-1');
    expect(back.received[0]?.body[0]).toBe(0);
    await subscribe(back, ['drivers/clean-1/errors', 1]);
    await failOnce(other, 'clean-1', 'marker');
    expect(await takeMarks(back, 1)).toEqual(['marker']);
    back.end();
  });

  test('is not that of another user with the same client id', async () => {
    const phone = await login('owner-1');
    await subscribe(phone, ['drivers/owner-1/errors', 1]);
    await leave(phone);
    const other = await fleet.client('DRIVER', 'owner-1');
    await failOnce(other, 'owner-1', 'private');
    const thief = await login('thief-1');
    expect(thief.received[0]?.body[0]).toBe(0);
    await subscribe(thief, ['drivers/thief-1/errors', 1]);
    thief.send(encode.publish('drivers/thief-1/marker', '', { qos: 1, id: 5 }));
    expect(await takeMarks(thief, 1)).toEqual(['marker']);
    thief.end();
  });

  test('taken up with a token of another role gives nothing that this role may not see', async () => {
    const phone = await login('both-1');
    await subscribe(phone, ['drivers/both-1/#', 1]);
    await leave(phone);
    const other = await fleet.client('DRIVER', 'both-1');
    await failOnce(other, 'both-1', 'before');
    const rider = await fleet.returning('RIDER', 'both-1', 'phone');
    await failOnce(other, 'both-1', 'meanwhile');
    await rider.client.subscribeAsync('riders/both-1/errors', { qos: 1 });
    await rider.client.publishAsync('riders/both-1/marker', '', { qos: 1 });
    const marker = await rider.next(() => true);
    expect(marker.topic).toBe('riders/both-1/errors');
    expect(errorOf(marker).topic).toBe('riders/both-1/marker');
    expect(rider.received).toHaveLength(1);
  });

  test('that nobody takes up again keeps a bounded number of messages, the latest', async () => {
    const phone = await login('full-1');
    await subscribe(phone, ['drivers/full-1/errors', 1]);
    await leave(phone);
    const flood = await login('full-1', { clientId: 'flood', clean: true });
    const count = 5000;
    for (let sent = 0; sent < count; sent += 500) {
      const packets = Array.from({ length: 500 }, (_, index) =>
        encode.publish(`drivers/full-1/m${sent + index}`, '', { qos: 1, id: index + 1 }),
      );
      flood.send(...packets);
      for (let index = 0; index < 500; index++) await flood.next(TYPE.PUBACK);
    }
    flood.end();
    const back = await login('full-1');
    const received: string[] = [];
    while (received.at(-1) !== `m${count - 1}`) {
      received.push(...(await takeMarks(back, 1)).map(String));
    }
    back.end();
    expect(received.length).toBeGreaterThanOrEqual(100);
    expect(received.length).toBeLessThanOrEqual(2000);
    expect(received).toEqual(
      Array.from({ length: received.length }, (_, index) => `m${count - received.length + index}`),
    );
  });

  test('is not disturbed when something is refused at the very moment of its SUBSCRIBE', async () => {
    for (let round = 0; round < 30; round++) {
      const raw = await login('moment-1', { clientId: `moment-${round}`, clean: false });
      const refusals = Array.from({ length: round % 6 }, () => encode.publish('nowhere', ''));
      raw.send(...refusals, encode.subscribe(1, [['drivers/moment-1/errors', 1]]), ...refusals);
      await raw.next(TYPE.SUBACK);
      raw.send(encode.publish('drivers/moment-1/marker', ''));
      while ((await takeMarks(raw, 1))[0] !== 'marker');
      await leave(raw);
    }
  });
});
