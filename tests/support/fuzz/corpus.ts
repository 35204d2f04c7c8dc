import { json, position } from '../fleet.ts';
import { encode, packet, TYPE, text, uint16 } from '../raw-mqtt.ts';
import type { Choice } from './choice.ts';

/** Who a connection says it is, with a token that is good. */
export type FuzzUser = { role: 'DRIVER' | 'RIDER' | 'VIEWER' | 'OPERATOR'; sub: string; token: string };

/** Whom the fuzzer would like to harm, with no right to. */
export type Victim = { driverId: string; riderId: string; tripId: string };

export type Packets = {
  connect(): Buffer;
  /** What may follow, mostly. */
  session(): Buffer;
  /** What ends a session, valid as it is: a client may say only DISCONNECT of these. */
  last(): Buffer;
};

const backlog = (count: number) =>
  json(Array.from({ length: count }, (_, index) => position({ recordedAt: Date.now() - index * 1000 })));

/** Valid packets of all 14 types, as this user could send them. */
export function corpusOf(user: FuzzUser, victim: Victim, choice: Choice): Packets {
  const { pick, below, chance } = choice;
  const id = () => 1 + below(200);

  const publishes: (readonly [topic: string, payload: () => string])[] = [
    [`drivers/${user.sub}/location`, () => json(position({ speed: below(30) }))],
    [`drivers/${user.sub}/location`, () => json(position({ bearing: below(360), recordedAt: Date.now() }))],
    [`drivers/${user.sub}/locations`, () => backlog(1 + below(5))],
    [`drivers/${user.sub}/status`, () => json({ status: pick(['ONLINE', 'BUSY']) })],
    [`owntracks/${user.sub}/phone`, () => json({ _type: 'location', lat: 48.2, lon: 16.4, tst: now() })],
    [`owntracks/${user.sub}/phone/event`, () => json({ _type: 'transition', event: 'enter' })],
    ['session/token', () => user.token],
    [`drivers/${victim.driverId}/location`, () => json(position())],
    [`drivers/${victim.driverId}/errors`, () => json({ code: 'FORBIDDEN' })],
    [`trips/${victim.tripId}/location`, () => json(position())],
    [`trips/${victim.tripId}/status`, () => json({ status: 'COMPLETED', version: 99 })],
    ['$SYS/broker/new/clients', () => `${victim.driverId}/phone`],
  ];
  // An operator may do that
  if (user.role !== 'OPERATOR')
    publishes.push([`trips/${victim.tripId}/transition`, () => json({ status: 'CANCELLED' })]);

  const filters = [
    `drivers/${user.sub}/location`,
    `drivers/${user.sub}/errors`,
    `riders/${user.sub}/errors`,
    `drivers/${victim.driverId}/location`,
    `trips/${victim.tripId}/#`,
    `trips/${victim.tripId}/location`,
    'drivers/+/location',
    'owntracks/+/+',
    '$SYS/#',
    '#',
    '+/+/+',
  ];

  const publish = () => {
    const [topic, payload] = pick(publishes);
    return encode.publish(topic, payload(), {
      qos: below(3),
      id: id(),
      dup: chance(0.1),
      retain: chance(0.1),
    });
  };
  const some = () => Array.from({ length: 1 + below(3) }, () => pick(filters));
  const acknowledgement = () =>
    encode.acknowledge(pick([TYPE.PUBACK, TYPE.PUBREC, TYPE.PUBREL, TYPE.PUBCOMP]), id());

  return {
    connect: () => connectOf(user, choice),
    session() {
      const which = choice.random();
      if (which < 0.7) return publish();
      if (which < 0.78)
        return encode.subscribe(
          id(),
          some().map((filter) => [filter, below(3)] as const),
        );
      if (which < 0.82) return encode.unsubscribe(id(), some());
      if (which < 0.94) return acknowledgement();
      return encode.ping();
    },
    last: () =>
      pick([
        encode.disconnect(),
        connectOf(user, choice),
        packet(0x20, uint16(0)),
        packet(0x90, uint16(1), Buffer.from([0])),
        packet(0xb0, uint16(1)),
        packet(0xd0),
      ]),
  };
}

const now = () => Math.floor(Date.now() / 1000);

function connectOf({ sub, token }: FuzzUser, { pick, below, chance }: Choice): Buffer {
  const will = chance(0.3);
  const clean = chance(0.8);
  const isOld = chance(0.1);
  const flags = 0xc0 | (will ? 4 | (below(3) << 3) | (chance(0.3) ? 0x20 : 0) : 0) | (clean ? 2 : 0);
  return packet(
    0x10,
    text(isOld ? 'MQIsdp' : 'MQTT'),
    Buffer.from([isOld ? 3 : 4, flags]),
    uint16(pick([0, 1, 60, 65_535])),
    text(clean && chance(0.5) ? '' : `device-${below(2)}`),
    ...(will ? [text(`drivers/${sub}/status`), text(json({ status: 'OFFLINE' }))] : []),
    text('user'),
    text(token),
  );
}
