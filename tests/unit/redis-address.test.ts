import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readConfig } from '../../shared/config.ts';
import { describeRedis, parseRedisUrl, type RedisAddress } from '../../shared/redis/address.ts';

function addressOf(url: string): RedisAddress {
  const parsed = parseRedisUrl(url);
  if ('problems' in parsed) throw new Error(parsed.problems.join('\n'));
  return parsed.address;
}

function problemsOf(url: string): readonly string[] {
  const parsed = parseRedisUrl(url);
  return 'problems' in parsed ? parsed.problems : [];
}

const none = { username: undefined, password: undefined };

describe('REDIS_URL', () => {
  test('names one server, as ever', () => {
    expect(addressOf('redis://user:pass@redis:6380/2')).toEqual({
      kind: 'server',
      url: 'redis://user:pass@redis:6380/2',
      host: 'redis',
      port: 6380,
      database: '2',
    });
    expect(addressOf('rediss://redis')).toMatchObject({ kind: 'server', port: 6379, database: '' });
  });

  test('names a Redis Cluster by some of its nodes', () => {
    expect(addressOf('redis+cluster://a:7000,10.0.0.2:7001,[::1]:7002,d')).toEqual({
      kind: 'cluster',
      isTls: false,
      nodes: [
        { host: 'a', port: 7000 },
        { host: '10.0.0.2', port: 7001 },
        { host: '::1', port: 7002 },
        { host: 'd', port: 6379 },
      ],
      ...none,
    });
    expect(addressOf('rediss+cluster://:p%40ss@a/')).toMatchObject({
      isTls: true,
      username: undefined,
      password: 'p@ss',
    });
  });

  test('names a master by the sentinels that watch it', () => {
    expect(addressOf('redis+sentinel://u:p@a,b:26380/mymaster')).toEqual({
      kind: 'sentinel',
      isTls: false,
      nodes: [
        { host: 'a', port: 26379 },
        { host: 'b', port: 26380 },
      ],
      username: 'u',
      password: 'p',
      masterName: 'mymaster',
      database: 0,
      sentinel: none,
    });
    expect(
      addressOf('rediss+sentinel://a/m?db=3&sentinelUsername=watch&sentinelPassword=a%26b'),
    ).toMatchObject({ isTls: true, database: 3, sentinel: { username: 'watch', password: 'a&b' } });
  });

  test('reads back every name and password that was percent-encoded', () => {
    const host = fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.ipV6().map((address) => `[${address}]`),
    );
    const node = fc.tuple(host, fc.integer({ min: 1, max: 65_535 }));
    const secret = fc.string({ unit: 'grapheme', minLength: 1 });
    fc.assert(
      fc.property(
        fc.constantFrom('cluster', 'sentinel'),
        secret,
        secret,
        fc.array(node, { minLength: 1 }),
        (kind, user, password, nodes) => {
          const hosts = nodes.map(([name, port]) => `${name}:${port}`).join(',');
          const url = `redis+${kind}://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${hosts}${kind === 'sentinel' ? '/m' : ''}`;
          expect(addressOf(url)).toMatchObject({
            kind,
            username: user,
            password,
            nodes: nodes.map(([name, port]) => ({ host: name.replace(/^\[|\]$/g, ''), port })),
          });
        },
      ),
    );
  });

  test('whatever stands there, is an address or is told in lines that repeat none of it', () => {
    const part = fc.oneof(
      fc.constantFrom(
        'redis',
        'rediss',
        '+cluster',
        '+sentinel',
        '://',
        ':',
        '@',
        ',',
        '/',
        '?db=',
        '%',
        '[',
        ']',
        '6379',
        'host',
      ),
      fc.string(),
    );
    fc.assert(
      fc.property(
        fc.array(part).map((parts) => parts.join('')),
        (text) => {
          for (const problem of problemsOf(text)) expect(problem).toMatch(/^(must|may)\b[^\n]*$/);
          const secret = `hunter-${'2'.repeat(8)}`;
          expect(problemsOf(`redis+cluster://u:${secret}@${text}`).join()).not.toContain(secret);
        },
      ),
      { numRuns: 1000 },
    );
  });

  const inPlaces: [string, string[]][] = [
    ['http://h', [expect.stringContaining('must be an address like') as never]],
    ['redis+cluster://', ['must have a host name or an IP address (IPv6 in brackets) as host 1']],
    [
      'redis+cluster://a:1,,c:0',
      [
        'must have a host name or an IP address (IPv6 in brackets) as host 2',
        'must have a port from 1 to 65535 at host 3',
      ],
    ],
    ['redis+cluster://a:65536', ['must have a port from 1 to 65535 at host 1']],
    ['redis+cluster://[::g]:1', ['must have a host name or an IP address (IPv6 in brackets) as host 1']],
    ['redis+cluster://::1:6379', ['must have a host name or an IP address (IPv6 in brackets) as host 1']],
    ['redis+cluster://u:%zz@a', ['must have its user, password and name percent-encoded']],
    ['redis+cluster://a/2', ['must end after its last host: Redis Cluster has no databases and no names']],
    [
      'redis+sentinel://a',
      ['must name the master that the sentinels watch after the last host, like /mymaster'],
    ],
    ['redis+sentinel://a/m?db=x', ['must have a whole number as its db']],
    [
      'redis+sentinel://a/m?database=1',
      ['may have only db, sentinelUsername, sentinelPassword after its question mark'],
    ],
    ['redis://u:%zz@a', ['must have its user, password and name percent-encoded']],
  ];
  test.each(inPlaces)('%s: tells each bad part', (url, problems) => {
    expect(problemsOf(url)).toEqual(problems);
  });

  test('has a line of the configuration for each bad part, and none for what is right', () => {
    const env = { DATABASE_URL: 'postgresql://db/fleet', JWT_SECRET: 'x'.repeat(32) };
    expect(() => readConfig({ ...env, REDIS_URL: 'redis+sentinel://u:hunter2@a:0/?db=x' })).toThrow(
      expect.objectContaining({
        problems: [
          'REDIS_URL must have a port from 1 to 65535 at host 1',
          'REDIS_URL must name the master that the sentinels watch after the last host, like /mymaster',
          'REDIS_URL must have a whole number as its db',
        ],
      }),
    );
    for (const url of ['redis+cluster://a:1,b:2', 'redis+sentinel://a:1,b:2/m?db=1', 'rediss://a'])
      expect(readConfig({ ...env, REDIS_URL: url }).redisUrl).toBe(url);
  });

  test('is told in the log without what is secret', () => {
    const texts = [
      'redis://u:hunter2@a:1/3',
      'redis+cluster://u:hunter2@a:1,[::1]:2',
      'redis+sentinel://u:hunter2@a,b/m?sentinelPassword=hunter3',
    ].map((url) => describeRedis(addressOf(url)));
    expect(texts).toEqual([
      'Redis at a:1',
      'Redis Cluster at a:1, [::1]:2',
      'Redis m of the sentinels at a:26379, b:26379',
    ]);
  });
});
