import { describe, expect, test } from '@jest/globals';
import type { Logger } from '../../shared/telemetry/log.ts';
import { keptLog } from '../support/log-lines.ts';
import { token } from '../support/platform.ts';

/** Nobody else has these figures: where they turn up, a position has. */
const latitude = 48.20813577;
const longitude = 16.37159246;
const SECRET = 'a-secret-of-somebody';

/** What the real logger makes of it, at its most talkative. */
function logged(write: (log: Logger) => void): string {
  const { log, text, lines } = keptLog('trace');
  write(log);
  expect(lines()).toHaveLength(1);
  return text();
}

const position = { latitude, longitude, speed: 12.5, recordedAt: 1 };

describe('a position is in no line', () => {
  test.each<[string, object]>([
    ['itself', position],
    ['in a field', { position }],
    ['in many', { positions: [position, position] }],
    ['in a trip', { trip: { pickup: position, dropoff: { latitude, longitude } } }],
    ['deep', { a: { b: { c: [{ lat: latitude, lon: longitude }] } } }],
    ['as GeoJSON', { geometry: { type: 'Point', coordinates: [longitude, latitude] } }],
    ['as it came', { packet: { topic: 'drivers/driver-1/location', payload: JSON.stringify(position) } }],
    ['as bytes', { packet: { content: Buffer.from(JSON.stringify(position)) } }],
    ['in an address', { url: `http://host/v1/drivers/nearby?latitude=${latitude}&longitude=${longitude}` }],
    ['of a device', { url: `/osmand?id=1&lat=${latitude}&lon=${longitude}&speed=1` }],
  ])('%s', (_name, fields) => {
    for (const degrees of [latitude, longitude])
      expect(logged((log) => log.trace(fields, 'told'))).not.toContain(String(degrees).slice(0, 7));
  });

  test('bound to a child', () => {
    expect(logged((log) => log.child({ latitude, payload: `${latitude}` }).info('told'))).not.toContain(
      '48.2',
    );
  });

  test('how many there were may be told', () => {
    expect(logged((log) => log.warn({ positions: 7 }, 'told'))).toContain('"positions":7');
  });
});

describe('a secret is in no line', () => {
  test.each<[string, object]>([
    ['password', { password: SECRET }],
    [
      'with another name',
      { databasePassword: SECRET, JWT_SECRET: SECRET, accessToken: SECRET, passwd: SECRET },
    ],
    ['deep', { config: { jwt: { secret: SECRET }, list: [{ api_key: SECRET, apiKey: SECRET }] } }],
    ['headers', { req: { headers: { authorization: `Bearer ${SECRET}`, cookie: SECRET } } }],
    ['in a text', { header: `Authorization: Bearer ${SECRET}` }],
    ['of PostgreSQL', { url: `postgresql://fleet:${SECRET}@db:5432/fleet` }],
    [
      'of Redis',
      { url: `rediss://:${SECRET}@redis:6379/1`, other: `redis+sentinel://u:${SECRET}@a:1,b:2/m` },
    ],
    ['in a query', { url: `/path?token=${SECRET}&x=1`, other: `postgres://db/x?sslpassword=${SECRET}` }],
    ['of an address object', { url: new URL(`redis://u:${SECRET}@redis`) }],
  ])('%s', (_name, fields) => {
    expect(logged((log) => log.error(fields, 'told'))).not.toContain(SECRET);
  });

  test('in the message itself', () => {
    const url = `postgres://fleet:${SECRET}@db/fleet`;
    expect(logged((log) => log.info(`connecting to ${url}`))).not.toContain(SECRET);
    expect(logged((log) => log.error(new Error(`no such host: ${url}`)))).not.toContain(SECRET);
    expect(logged((log) => log.child({ url }).info('told'))).not.toContain(SECRET);
  });

  test('a token, wherever it stands', async () => {
    const made = await token('DRIVER', 'driver-1');
    const [, claims = '', signature = ''] = made.split('.');
    const lines = [
      logged((log) => log.info({ path: `/osmand/${made}/x` }, 'told')),
      logged((log) => log.info(`path /osmand/${made}`)),
      logged((log) => log.error({ err: new Error(`bad token ${made}`) }, 'told')),
      logged((log) => log.error({ reasons: [{ what: made }] }, 'told')),
    ];
    for (const line of lines) for (const part of [claims, signature]) expect(line).not.toContain(part);
  });
});

describe('an error of the database', () => {
  const failure = () =>
    Object.assign(new Error(`invalid input syntax for type double precision: "${latitude}"`), {
      code: '22P02',
      detail: `Failing row contains (${latitude}, ${longitude})`,
      where: `unnamed portal with parameters: $1 = '${latitude}'`,
      query: `select ${latitude}`,
      params: [latitude],
      parameters: [latitude],
    });

  test.each<[string, (log: Logger) => void]>([
    ['as err', (log) => log.error({ err: failure() }, 'told')],
    ['by itself', (log) => log.error(failure())],
    ['with another name', (log) => log.error({ reason: failure() }, 'told')],
    ['among others', (log) => log.error({ failures: [{ error: failure() }] }, 'told')],
    ['as a cause', (log) => log.error({ err: new Error('outer', { cause: failure() }) }, 'told')],
  ])('%s tells its code, and nothing of the row', (_name, write) => {
    const line = logged(write);
    expect(line).toContain('22P02');
    expect(line).not.toContain('48.2');
    expect(line).not.toContain('16.3');
  });
});

test('what was logged by mistake does not become a page: whole objects are cut', () => {
  const circle: Record<string, unknown> = { list: Array.from({ length: 100_000 }, (_, n) => ({ n: { n } })) };
  circle.self = circle;
  expect(logged((log) => log.info({ circle }, 'told')).length).toBeLessThan(3_000_000);
});

test('what is logged is left as it is', () => {
  const given = { latitude, deep: { password: SECRET } };
  logged((log) => log.info(given, 'told'));
  expect(given).toEqual({ latitude, deep: { password: SECRET } });
});
