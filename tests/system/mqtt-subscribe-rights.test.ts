import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Role } from '../../shared/auth/identity.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { token } from '../support/platform.ts';
import { encode, loginTcp, type RawConnection, TYPE } from '../support/raw-mqtt.ts';

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet?.stop());

const TRIP = '7b8f1c52-6a0e-4a6e-9d43-0f8f2f6b5a11';
const REFUSED = 0x80;

const login = async (role: Role, sub: string, options: { clientId?: string; clean?: boolean } = {}) =>
  loginTcp(fleet.platform.ports.mqtt, {
    token: await token(role, sub, role === 'VIEWER' ? { trips: [TRIP] } : {}),
    ...options,
  });

/** The return codes of one SUBSCRIBE at QoS 1. */
async function subscribe(raw: RawConnection, filters: readonly string[], id = 1): Promise<number[]> {
  raw.send(
    encode.subscribe(
      id,
      filters.map((filter) => [filter, 1] as const),
    ),
  );
  return [...(await raw.next(TYPE.SUBACK)).body.subarray(2)];
}

/** Nobody may have these, whoever it is. */
const nobodys = [
  '#',
  '+',
  '+/#',
  '+/+',
  '+/+/#',
  '+/+/errors',
  '+/+/trips',
  '+/+/+',
  '+/+/+/#',
  '/#',
  'drivers/#',
  'drivers/+/#',
  'drivers/+/+',
  'drivers/+/errors',
  'drivers/+/trips',
  'riders/#',
  'riders/+/trips',
  'riders/+/errors',
  'riders/other/trips',
  'riders/other/errors',
  'drivers/other/errors',
  'drivers/other/trips',
  'drivers/other/#',
  '$SYS/#',
  '$SYS/+/new/clients',
  '$share/g/drivers/+/location',
  '$share/g/drivers/self/location',
  '$queue/drivers/self/location',
  '$delayed/1/drivers/self/location',
  'session/token',
  'session/#',
  `${'+/'.repeat(60)}#`,
  `drivers/self/${'x/'.repeat(200)}#`,
  'nothing/like/this',
];

/** Trips exist only in the tests of trips: here OPERATOR and SERVICE, who need not be a party. */
const byRole: { role: Role; granted: string[]; refused: string[] }[] = [
  {
    role: 'DRIVER',
    granted: [
      'drivers/self/location',
      'drivers/self/status',
      'drivers/self/trips',
      'drivers/self/errors',
      'drivers/self/+',
      'drivers/self/#',
    ],
    refused: [
      'drivers/+/location',
      'drivers/+/status',
      'drivers/other/location',
      'drivers/other/status',
      'riders/self/errors',
      'riders/self/trips',
      '+/self/errors',
      '+/+/location',
      '+/+/status',
      'trips/#',
      'trips/+/status',
      'trips/+/location',
      'trips/+/#',
      `trips/${TRIP}/location`,
    ],
  },
  {
    role: 'RIDER',
    granted: ['riders/self/trips', 'riders/self/errors', 'riders/self/#', 'riders/self/+'],
    refused: [
      'drivers/+/location',
      'drivers/self/location',
      'drivers/self/errors',
      'drivers/self/#',
      '+/self/trips',
      '+/+/location',
      'trips/#',
      'trips/+/status',
      'trips/+/location',
      `trips/${TRIP}/#`,
    ],
  },
  {
    role: 'VIEWER',
    granted: ['riders/self/errors'],
    refused: [
      'riders/self/trips',
      'riders/self/#',
      'drivers/self/location',
      'drivers/+/location',
      '+/+/location',
      'trips/#',
      'trips/+/location',
      `trips/${TRIP.replace('7', '8')}/location`,
    ],
  },
  {
    role: 'OPERATOR',
    granted: [
      'drivers/+/location',
      'drivers/+/status',
      'drivers/other/location',
      'drivers/other/status',
      'drivers/self/errors',
      // What it may see of everybody's drivers and trips, in one
      '+/+/location',
      '+/+/status',
      'trips/#',
      'trips/+/#',
      'trips/+/+',
      'trips/+/status',
      'trips/+/location',
      `trips/${TRIP}/location`,
    ],
    refused: ['drivers/self/trips', 'drivers/self/#', 'riders/self/errors', '+/self/errors'],
  },
  {
    role: 'SERVICE',
    granted: ['drivers/+/location', 'drivers/+/status', 'drivers/self/errors', 'trips/#', 'trips/+/status'],
    refused: ['drivers/self/trips', 'riders/self/errors', 'riders/self/trips'],
  },
];

describe.each(byRole)('$role', ({ role, granted, refused }) => {
  test('is granted what it may see, at the QoS asked for', async () => {
    const raw = await login(role, 'self');
    for (const filter of granted) {
      const codes = await subscribe(raw, [filter]);
      expect({ filter, codes }).toEqual({ filter, codes: [1] });
    }
    raw.end();
  });

  test('is refused whatever reaches further, and stays connected', async () => {
    const raw = await login(role, 'self');
    for (const filter of [...nobodys, ...refused]) {
      const codes = await subscribe(raw, [filter]);
      expect({ filter, codes }).toEqual({ filter, codes: [REFUSED] });
    }
    raw.send(encode.ping());
    await raw.next(TYPE.PINGRESP);
    raw.end();
  });

  test('has one answer for each filter of a SUBSCRIBE, in order', async () => {
    const raw = await login(role, 'self');
    const filters = granted.flatMap((filter, index) => [filter, [...nobodys, ...refused][index] ?? '#']);
    expect(await subscribe(raw, filters)).toEqual(
      filters.map((filter) => (granted.includes(filter) ? 1 : REFUSED)),
    );
    raw.end();
  });
});

test('the QoS asked for is granted', async () => {
  const raw = await login('DRIVER', 'self');
  raw.send(
    encode.subscribe(5, [
      ['drivers/self/errors', 0],
      ['drivers/self/status', 1],
      ['drivers/self/trips', 2],
    ]),
  );
  expect([...(await raw.next(TYPE.SUBACK)).body]).toEqual([0, 5, 0, 1, 2]);
  raw.end();
});

test('ten thousand filters of one client are bounded: some are granted, the rest refused, the connection stays', async () => {
  for (const clean of [true, false]) {
    const raw = await login('OPERATOR', 'greedy', { clientId: `greedy ${clean}`, clean });
    let granted = 0;
    for (let packet = 0; packet < 5; packet++) {
      const filters = Array.from({ length: 2000 }, (_, index) => `drivers/d${packet}-${index}/status`);
      const codes = await subscribe(raw, filters, packet + 1);
      expect(codes).toHaveLength(filters.length);
      granted += codes.filter((code) => code !== REFUSED).length;
    }
    expect(granted).toBeGreaterThanOrEqual(50);
    expect(granted).toBeLessThanOrEqual(1000);
    raw.end();
  }
});

test('a filter that MQTT does not allow ends the connection, and no other', async () => {
  const bystander = await login('DRIVER', 'bystander');
  for (const filter of ['drivers/#/status', 'drivers/sel#', 'drivers/se+lf/status', '']) {
    const raw = await login('DRIVER', 'self');
    raw.send(encode.subscribe(1, [[filter, 0]]));
    await raw.closed;
    expect(raw.received.map(({ type }) => type)).toEqual([TYPE.CONNACK]);
  }
  bystander.send(encode.ping());
  await bystander.next(TYPE.PINGRESP);
  bystander.end();
});
