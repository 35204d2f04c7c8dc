import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Client } from 'pg';
import { AbuseStage } from '../support/abuse-stage.ts';
import { type ErrorMessage, json } from '../support/fleet.ts';
import {
  decodePublish,
  encode,
  loginTcp,
  type RawConnection,
  type RawPacket,
  TYPE,
} from '../support/raw-mqtt.ts';
import { eventually } from '../support/redis.ts';

let stage: AbuseStage;
let bearer: string;
/** Of a service, who may send for any driver. */
let session: RawConnection;
let database: Client;

/** Nobody else is there. */
const place = { latitude: 46.62471234, longitude: 14.30531234 };
const there = `"latitude":${place.latitude},"longitude":${place.longitude}`;

beforeAll(async () => {
  stage = await AbuseStage.open({ OFFLINE_GRACE_MS: '600000' });
  stage.hidePlace(place);
  bearer = await stage.token('SERVICE', 'mallory');
  session = await loginTcp(stage.fleet.platform.ports.mqtt, { token: bearer });
  session.send(encode.subscribe(1, [['drivers/mallory/errors', 0]]));
  await session.next(TYPE.SUBACK);
  database = new Client({ connectionString: stage.fleet.databaseUrl });
  await database.connect();
});
afterAll(async () => {
  session?.end();
  await database?.end();
  await stage?.close();
});

/** The codes of what is reported of one message that is published, once it is acknowledged. */
async function published(topic: string, payload: string | Buffer): Promise<string> {
  const codes: string[] = [];
  const untilAcknowledged = async (id: number): Promise<void> => {
    for (;;) {
      const packet = await session.next(TYPE.PUBACK, TYPE.PUBLISH);
      if (packet.type === TYPE.PUBLISH) codes.push(codeOf(packet));
      else if (packet.body.readUInt16BE(0) === id) return;
    }
  };
  session.send(encode.publish(topic, payload, { qos: 1, id: 1 }));
  await untilAcknowledged(1);
  // Its own report comes after those of what was before it
  session.send(encode.publish('nothing/more', '', { qos: 1, id: 2 }));
  await untilAcknowledged(2);
  while (codes.at(-1) !== END) codes.push(codeOf(await session.next(TYPE.PUBLISH)));
  return codes.slice(0, -1).join() || 'accepted';
}

const END = 'the end';

function codeOf(packet: RawPacket): string {
  const report = decodePublish(packet).payload as ErrorMessage;
  stage.expectDiscreet(json(report));
  return report.topic === 'nothing/more' ? END : report.code;
}

async function posted(path: string, body: string | Buffer): Promise<string> {
  const response = await fetch(`${stage.fleet.platform.urls.rest}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
  const text = await response.text();
  // Who sent a position is told it; who is refused is not told what he sent
  if (response.status !== 202) stage.expectDiscreet(text);
  const answer = JSON.parse(text) as { code?: string; rejected?: { code: string }[] };
  if (response.status === 202) return answer.rejected?.map(({ code }) => code).join() || 'accepted';
  expect(response.status).toBeLessThan(500);
  return answer.code ?? '';
}

const inBatch = (payload: string | Buffer) =>
  typeof payload === 'string' ? `[${payload}]` : Buffer.concat([Buffer.from('['), payload, Buffer.from(']')]);

let drivers = 0;

/** What becomes of a position at each of the doors, and how many positions are stored of its driver at each. */
async function tried(payload: string | Buffer) {
  const id = `row-${drivers++}`;
  return {
    id,
    verdicts: {
      published: await published(`drivers/${id}-1/location`, payload),
      publishedBatch: await published(`drivers/${id}-2/locations`, inBatch(payload)),
      posted: await posted(`/v1/drivers/${id}-3/location`, payload),
      postedBatch: await posted(`/v1/drivers/${id}-4/locations`, inBatch(payload)),
    },
  };
}

const everywhere = (verdict: string) => ({
  published: verdict,
  publishedBatch: verdict,
  posted: verdict,
  postedBatch: verdict,
});

/** Ids of drivers of whom a position is stored, one entry for each. */
async function storedDrivers(): Promise<string[]> {
  // As long as positions are on their way to the table, this waits
  await stage.fleet.history('row-0-1');
  const { rows } = await database.query<{ driver_id: string }>(
    "select driver_id from location_history where driver_id like 'row-%' order by driver_id",
  );
  return rows.map(({ driver_id }) => driver_id);
}

const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`;
const deepObject = `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`;
const ahead = (ms: number) => () => `{${there},"recordedAt":${Date.now() + ms}}`;
const DAY_MS = 86_400_000;

type Row = [name: string, payload: string | Buffer | (() => string)];

const invalid: Row[] = [
  ['NaN', '{"latitude":NaN,"longitude":14}'],
  ['Infinity', '{"latitude":Infinity,"longitude":14}'],
  ['1e400 degrees', '{"latitude":1e400,"longitude":14}'],
  ['an altitude of 1e400', `{${there},"altitude":1e400}`],
  ['a speed of -1e400', `{${there},"speed":-1e400}`],
  ['numbers as text', `{"latitude":"${place.latitude}","longitude":"${place.longitude}"}`],
  ['hexadecimal', '{"latitude":0x2e,"longitude":14}'],
  ['numbers in lists', `{"latitude":[${place.latitude}],"longitude":14}`],
  ['a list of two numbers', `[${place.latitude},${place.longitude}]`],
  ['nested 10,000 deep', deep],
  ['objects nested 10,000 deep', deepObject],
  ['a latitude nested 10,000 deep', `{"latitude":${deep},"longitude":14}`],
  ['two latitudes, the last one bad', `{${there},"latitude":91}`],
  ['a place by __proto__', `{"__proto__":{${there}}}`],
  ['a place by constructor', `{"constructor":{"prototype":{${there}}}}`],
  ['91 degrees', '{"latitude":91,"longitude":14}'],
  ['181 degrees', '{"latitude":46,"longitude":181}'],
  ['a hair beyond the pole', '{"latitude":90.00000000000002,"longitude":14}'],
  ['speed -1', `{${there},"speed":-1}`],
  ['bearing 360', `{${there},"bearing":360}`],
  ['a time that is none', `{${there},"recordedAt":"24:00"}`],
  ['a leap second', `{${there},"recordedAt":"2016-12-31T23:59:60Z"}`],
  ['a time of another calendar', `{${there},"recordedAt":"+012026-01-01T00:00:00Z"}`],
  ['a time beyond all time', `{${there},"recordedAt":8640000000000001}`],
  ['a time nested 10,000 deep', `{${there},"recordedAt":${deep}}`],
  ['UTF-16', Buffer.from(`{${there}}`, 'utf16le')],
  ['a comment in it', `{${there}/* here */}`],
  ['NUL after it', `{${there}}\0`],
];

const otherwise: [...Row, code: string][] = [
  ['recorded in 1970', `{${there},"recordedAt":"1970-01-01T00:00:00Z"}`, 'TOO_OLD'],
  ['recorded before Christ', `{${there},"recordedAt":-8640000000000000}`, 'TOO_OLD'],
  ['recorded at 0', `{${there},"recordedAt":-0}`, 'TOO_OLD'],
  ['recorded in 2100', `{${there},"recordedAt":"2100-01-01T00:00:00Z"}`, 'IN_FUTURE'],
  ['recorded in seconds', () => `{${there},"recordedAt":${Math.floor(Date.now() / 1000)}}`, 'TOO_OLD'],
  ['recorded in microseconds', () => `{${there},"recordedAt":${Date.now() * 1000}}`, 'IN_FUTURE'],
  // The way takes its time too, and makes less of what is ahead
  ['recorded more than 60 s ahead', ahead(90_000), 'IN_FUTURE'],
  ['of a clock that is a day fast', ahead(DAY_MS), 'IN_FUTURE'],
  ['of a clock that is 8 days slow', ahead(-8 * DAY_MS), 'TOO_OLD'],
];

const accepted: Row[] = [
  ['recorded 59 s ahead', ahead(59_000)],
  ['of a clock that is a day slow', ahead(-DAY_MS)],
  ['minus zero', '{"latitude":-0,"longitude":-0,"speed":-0,"bearing":-0,"altitude":-0}'],
  ['as good as zero', '{"latitude":1e-400,"longitude":-1e-320,"speed":4.9e-324,"bearing":1e-310}'],
  ['as large as numbers are', `{${there},"speed":1.7976931348623157e308,"altitude":-1.7976931348623157e308}`],
  ['of more digits than count', `{"latitude":46.${'1'.repeat(5000)},"longitude":14}`],
  ['two latitudes, the last one good', `{"latitude":91,${there}}`],
  ['with a field nested 10,000 deep', `{${there},"x":${deep}}`],
  ['with a field of 1e400', `{${there},"x":1e400}`],
  [
    'with fields by prototype',
    `{${there},"__proto__":{"speed":-1},"constructor":{"prototype":{"speed":-1}}}`,
  ],
  ['with NUL and half a surrogate pair in a field', `{${there},"x\\u0000":"\\u0000\\ud800"}`],
  ['with 5,000 fields', `{${there},${Array.from({ length: 5000 }, (_, n) => `"f${n}":0`).join()}}`],
];

const made = (payload: Row[1]) => (typeof payload === 'function' ? payload() : payload);

describe('a position that is', () => {
  const expected: string[] = [];

  test.each([...invalid.map((row) => [...row, 'INVALID_PAYLOAD'] as const), ...otherwise])(
    '%s is refused at every door',
    async (_name, payload, code) => {
      const { verdicts } = await tried(made(payload));
      expect(verdicts).toEqual(everywhere(code));
    },
  );

  test.each(accepted)('%s is accepted at every door', async (_name, payload) => {
    const { id, verdicts } = await tried(made(payload));
    expect(verdicts).toEqual(everywhere('accepted'));
    expected.push(...[1, 2, 3, 4].map((door) => `${id}-${door}`));
  });

  test('behind a mark of byte order is read by REST, as RFC 8259 (8.1) lets it, and no JSON over MQTT', async () => {
    const { id, verdicts } = await tried(`\ufeff{${there}}`);
    expect(verdicts).toMatchObject({ published: 'INVALID_PAYLOAD', posted: 'accepted' });
    expected.push(`${id}-3`);
  });

  test('refused is stored and delivered nowhere; accepted, once', async () => {
    expect(await storedDrivers()).toEqual([...expected].sort());
    const isPosition = (topic: string) => topic.endsWith('/location');
    const delivered = [...(await stage.delivered())].filter(isPosition);
    expect(delivered.sort()).toEqual(expected.map((id) => `drivers/${id}/location`).sort());
    expect(JSON.parse('{}')).not.toHaveProperty('speed');
  });
});

test('whatever JSON it is, every door says the same of it, and stores what it accepts', async () => {
  const number = fc.oneof(
    fc.double({ noNaN: true }),
    fc.integer(),
    fc.double({ min: -180, max: 180, noNaN: true }),
  );
  const field = fc.oneof({ weight: 3, arbitrary: number }, { weight: 1, arbitrary: fc.jsonValue() });
  const fields = fc.record(
    {
      latitude: fc.oneof(fc.double({ min: -90, max: 90, noNaN: true }), field),
      longitude: fc.oneof(fc.double({ min: -180, max: 180, noNaN: true }), field),
      bearing: field,
      speed: field,
      accuracy: field,
      altitude: field,
      battery: field,
      recordedAt: fc.oneof(
        fc.jsonValue(),
        fc.integer({ min: -86_400_000, max: 0 }).map((ago) => Date.now() + ago),
      ),
    },
    { requiredKeys: ['latitude', 'longitude'] },
  );
  const before = (await storedDrivers()).length;
  let stored = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.oneof({ weight: 4, arbitrary: fields.map(json) }, { weight: 1, arbitrary: fc.json() }),
      async (text) => {
        const { verdicts } = await tried(text);
        expect(verdicts).toEqual(everywhere(verdicts.published));
        if (verdicts.published === 'accepted') stored += 4;
      },
    ),
    { numRuns: 100 },
  );
  expect((await storedDrivers()).length - before).toBe(stored);
});

describe('a driver', () => {
  const topic = (id: string) => `drivers/${id}/location`;

  test('who sends the same position 1,000 times has it stored and delivered once', async () => {
    const payload = json({ ...place, recordedAt: Date.now() });
    session.send(
      ...Array.from({ length: 1000 }, (_, index) =>
        encode.publish(topic('again'), payload, { qos: 1, id: index + 1 }),
      ),
    );
    for (let id = 1; id <= 1000; id++)
      expect((await session.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(id);
    expect(await stage.fleet.history('again')).toHaveLength(1);
    expect((await stage.delivered()).filter((name) => name === topic('again'))).toHaveLength(1);
  });

  test('who is on the other side of the earth a second later is believed', async () => {
    const now = Date.now();
    const stations = [place, { latitude: -46.6, longitude: -165.7 }, place].map((station, second) => ({
      ...station,
      recordedAt: now - 5000 + second * 1000,
    }));
    for (const station of stations) expect(await published(topic('far'), json(station))).toBe('accepted');
    expect(await stage.fleet.history('far')).toMatchObject(stations.map(({ latitude }) => ({ latitude })));
    const isFar = () => stage.watcher.received.filter((message) => message.topic === topic('far'));
    expect(
      (await eventually(isFar, ({ length }) => length >= 3)).map(({ payload }) => payload),
    ).toMatchObject(stations.map(({ latitude }) => ({ latitude })));
  });

  test('whose positions come backwards has all of them stored, and the newest delivered', async () => {
    const now = Date.now();
    for (let index = 0; index < 20; index++)
      expect(await published(topic('backwards'), json({ ...place, recordedAt: now - index * 1000 }))).toBe(
        'accepted',
      );
    expect(await stage.fleet.history('backwards')).toHaveLength(20);
    await stage.delivered();
    const delivered = stage.watcher.received.filter((message) => message.topic === topic('backwards'));
    expect(
      delivered.map(({ payload }) => Date.parse((payload as { recordedAt: string }).recordedAt)),
    ).toEqual([now]);
  });
});
