import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Fleet, json, position, startFleet } from '../support/fleet.ts';
import { token } from '../support/platform.ts';
import { decodePublish, encode, loginTcp, type RawConnection, TYPE } from '../support/raw-mqtt.ts';

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet?.stop());

const login = async (sub: string, options: { clientId?: string; clean?: boolean } = {}) =>
  loginTcp(fleet.platform.ports.mqtt, { token: await token('DRIVER', sub), ...options });

async function subscribe(raw: RawConnection, filters: readonly string[]): Promise<void> {
  raw.send(
    encode.subscribe(
      1,
      filters.map((filter) => [filter, 1] as const),
    ),
  );
  await raw.next(TYPE.SUBACK);
}

describe('a refused filter', () => {
  test('brings nothing', async () => {
    const raw = await login('spy-1');
    await subscribe(raw, ['drivers/+/location', '#', 'drivers/spy-1/location']);
    const service = await fleet.client('SERVICE', 'service-1');
    for (const id of ['victim-1', 'spy-1'])
      await service.client.publishAsync(`drivers/${id}/location`, json(position()), { qos: 1 });
    const message = decodePublish(await raw.next(TYPE.PUBLISH));
    expect(message.topic).toBe('drivers/spy-1/location');
    raw.end();
  });

  test.each([
    ['alone', ['drivers/+/status', '#']],
    ['with one that is granted', ['drivers/+/status', 'drivers/self-2/status', '#']],
    ['after one that is granted', ['drivers/self-2/status', 'drivers/other-2/status', 'drivers/+/#']],
  ])(
    'in a persistent session, asked for %s, brings nothing after a reconnect either',
    async (name, filters) => {
      const session = { clientId: `persistent ${name}`, clean: false };
      const before = await login('self-2', session);
      await subscribe(before, filters);
      before.send(encode.disconnect());
      await before.closed;
      const service = await fleet.client('SERVICE', 'service-1');
      for (const id of ['other-2', 'self-2'])
        await service.client.publishAsync(`drivers/${id}/status`, json({ status: 'BUSY' }), { qos: 1 });
      const after = await login('self-2', session);
      for (const id of ['other-2', 'self-2'])
        await service.client.publishAsync(`drivers/${id}/status`, json({ status: 'ONLINE' }), { qos: 1 });
      // The marker: asked for anew, and so the last to come
      await subscribe(after, ['drivers/self-2/errors']);
      await service.client.publishAsync('drivers/self-2/status', json({ status: 'BUSY' }), { qos: 1 });
      after.send(encode.publish('nowhere', ''));
      let message = decodePublish(await after.next(TYPE.PUBLISH));
      const topics = [message.topic];
      while (message.topic !== 'drivers/self-2/errors') {
        message = decodePublish(await after.next(TYPE.PUBLISH));
        topics.push(message.topic);
      }
      expect(topics).not.toContain('drivers/other-2/status');
      if (filters.includes('drivers/self-2/status')) expect(topics).toContain('drivers/self-2/status');
      else expect(topics).toEqual(['drivers/self-2/errors']);
      after.end();
    },
  );
});
