import { describe, expect, test } from '@jest/globals';
import { aptClosed, offeredPostgisMajors, pickPostgisMajor } from '../support/services/apt.ts';
import { parseMajor, pickPostgres, whyNoPostgres } from '../support/services/find-binaries.ts';
import { givenByUrl } from '../support/services/given.ts';
import { postgisShortcoming } from '../support/services/postgres.ts';
import { request } from '../support/services/redis.ts';
import { firstOpenWay, foundMessage, missingServicesMessage, type Way } from '../support/services/ways.ts';

describe('the way to a service', () => {
  const service = { url: 'redis://there', description: 'there', stop: async () => undefined };
  const open = (name: string): Way => ({ name, open: async () => service });
  const closed = (name: string): Way => ({ name, open: async () => ({ reason: `${name} is closed` }) });
  const untouched: Way = {
    name: 'untouched',
    open: async () => {
      throw new Error('must not be tried');
    },
  };

  test('is the first open one, and none after it is tried', async () => {
    const found = await firstOpenWay('Redis', [closed('a'), open('b'), untouched]);
    expect(found).toEqual({ way: 'b', service, tried: [{ way: 'a', reason: 'a is closed' }] });
  });

  test('is none when all are closed, with the reasons in their order', async () => {
    const found = await firstOpenWay('Redis', [closed('a'), closed('b')]);
    expect(found).toEqual({
      service: 'Redis',
      tried: [
        { way: 'a', reason: 'a is closed' },
        { way: 'b', reason: 'b is closed' },
      ],
    });
  });

  test('that breaks is seen, not passed over', async () => {
    await expect(firstOpenWay('Redis', [untouched, open('b')])).rejects.toThrow('must not be tried');
  });

  test('is the given URL when there is one; empty counts as none', async () => {
    expect(await givenByUrl('TEST_REDIS_URL', 'redis://:secret@host:7000').open()).toMatchObject({
      url: 'redis://:secret@host:7000',
      description: 'host:7000',
    });
    expect(await givenByUrl('TEST_REDIS_URL', undefined).open()).toEqual({ reason: 'is not set' });
    expect(await givenByUrl('TEST_REDIS_URL', '').open()).toEqual({ reason: 'is not set' });
  });
});

test('the way that was taken is said in one line, with what was closed before it', () => {
  const service = { url: 'redis://there', description: 'Redis from /bin', stop: async () => undefined };
  const tried = [{ way: 'Docker', reason: 'does not answer' }];
  expect(foundMessage({ way: 'apt-get', service, tried })).toBe(
    'Redis from /bin, by apt-get (Docker: does not answer)',
  );
  expect(foundMessage({ way: 'apt-get', service, tried: [] })).toBe('Redis from /bin, by apt-get');
});

test('one message names the three ways and everything that was tried for all that is missing', () => {
  const message = missingServicesMessage([
    { service: 'PostgreSQL with PostGIS', tried: [{ way: 'Docker', reason: 'does not answer' }] },
    { service: 'Redis', tried: [{ way: 'apt-get', reason: 'this is not Debian or Ubuntu' }] },
  ]);
  expect(message).toMatch(/^No PostgreSQL with PostGIS and no Redis for the tests/);
  expect(message).toMatch(/1\. set TEST_DATABASE_URL and TEST_REDIS_URL/);
  expect(message).toMatch(/2\. start Docker/);
  expect(message).toMatch(/3\. install PostgreSQL >= 15 with PostGIS >= 3\.3 and redis-server/);
  expect(message).toContain('- PostgreSQL with PostGIS, Docker: does not answer');
  expect(message).toContain('- Redis, apt-get: this is not Debian or Ubuntu');
});

describe('the PostgreSQL on this machine', () => {
  const installation = (major: number, hasPostgis: boolean) => ({
    directory: `/pg/${major}`,
    major,
    hasPostgis,
  });

  test('is the newest that has PostGIS, not the newest', () => {
    const installations = [installation(15, true), installation(16, true), installation(17, false)];
    expect(pickPostgres(installations)?.major).toBe(16);
  });

  test('is never one older than the product asks for', () => {
    expect(pickPostgres([installation(14, true)])).toBeUndefined();
  });

  test('when there is none, it says what stands in the way', () => {
    expect(whyNoPostgres([])).toMatch(/no initdb and postgres on the PATH/);
    expect(whyNoPostgres([installation(14, true), installation(15, false)])).toBe(
      'PostgreSQL 14 in /pg/14 is older than 15; PostgreSQL 15 in /pg/15 has no PostGIS',
    );
  });

  test.each([
    ['postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)', 15],
    ['postgres (PostgreSQL) 18beta1', 18],
  ])('%s is version %d', (line, major) => {
    expect(parseMajor(line)).toBe(major);
  });

  test('a version line that is not understood is an error', () => {
    expect(() => parseMajor('something else')).toThrow('something else');
  });
});

describe('a PostgreSQL server, wherever it comes from', () => {
  test.each([
    [15, '3.3.2', undefined],
    [18, '3.10.0', undefined],
    [16, '4.0.0', undefined],
    [14, '3.4.0', 'is version 14; 15 or newer is needed'],
    [15, '3.2.1', 'has PostGIS 3.2.1; 3.3 or newer is needed'],
    [15, '2.5.9', 'has PostGIS 2.5.9; 3.3 or newer is needed'],
    [15, undefined, 'has no PostGIS'],
  ])('version %s with PostGIS %s: %s', (server, postgis, shortcoming) => {
    expect(postgisShortcoming(server, postgis)).toBe(shortcoming);
  });
});

describe('apt-get', () => {
  test.each([
    ['Debian as root', 'PRETTY_NAME="Debian"\nID=debian\n', true, false],
    ['Ubuntu with sudo', 'ID=ubuntu\nID_LIKE=debian\n', false, true],
    ['a child of Ubuntu', 'ID=linuxmint\nID_LIKE="ubuntu debian"\n', true, false],
  ])('is a way on %s', (_, osRelease, root, sudo) => {
    expect(aptClosed({ osRelease, root, sudo })).toBeUndefined();
  });

  test.each([
    ['another system', 'ID=fedora\n', true, /not Debian/],
    ['no os-release', '', true, /not Debian/],
    ['a user without sudo', 'ID=debian\n', false, /neither root nor/],
  ])('is none on %s', (_, osRelease, root, reason) => {
    expect(aptClosed({ osRelease, root, sudo: false })?.reason).toMatch(reason);
  });

  test('reads the versions that apt-cache offers', () => {
    const offered = [
      'postgresql-15-postgis-3 - Geographic objects support for PostgreSQL 15',
      'postgresql-17-postgis-3 - Geographic objects support for PostgreSQL 17',
      'postgresql-17-postgis-3-scripts - Geographic objects support for PostgreSQL 17 -- SQL scripts',
    ].join('\n');
    expect(offeredPostgisMajors(offered)).toEqual([15, 17]);
    expect(offeredPostgisMajors('')).toEqual([]);
  });

  test('takes the version of a server that is installed, else the newest, and none before 15', () => {
    expect(pickPostgisMajor([15, 16, 17], [16])).toBe(16);
    expect(pickPostgisMajor([15, 16, 17], [15, 16, 14])).toBe(16);
    expect(pickPostgisMajor([15, 16, 17], [14])).toBe(17);
    expect(pickPostgisMajor([13, 14], [14])).toBeUndefined();
  });
});

test('a Redis request carries lengths in bytes', () => {
  expect(request('AUTH', 'päss')).toBe('*2\r\n$4\r\nAUTH\r\n$5\r\npäss\r\n');
});
