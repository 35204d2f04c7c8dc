import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Registry } from 'prom-client';
import { Health } from '../../shared/health.ts';
import { forEyes } from '../../shared/telemetry/for-eyes.ts';
import { createLog } from '../../shared/telemetry/log.ts';
import { LogLevelDoor } from '../../shared/telemetry/log-level.ts';
import { type MetricsServer, startMetricsServer } from '../../shared/telemetry/metrics-server.ts';
import { keptLog } from '../support/log-lines.ts';

let server: MetricsServer;
let kept: ReturnType<typeof keptLog>;

beforeEach(async () => {
  kept = keptLog('info');
  const door = new LogLevelDoor(kept.levels, kept.log);
  server = await startMetricsServer(
    { host: '127.0.0.1', port: 0, token: undefined },
    new Registry(),
    new Health(),
    door,
    kept.log,
  );
});
afterEach(() => server.stop());

const ask = async (method: string, body?: string) => {
  const response = await fetch(`http://127.0.0.1:${server.port}/log-level`, {
    method,
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, type: response.headers.get('content-type'), body: await response.json() };
};
const put = (wish: unknown) => ask('PUT', JSON.stringify(wish));

describe('the log level', () => {
  test('is told', async () => {
    expect(await ask('GET')).toEqual({
      status: 200,
      type: 'application/json',
      body: { level: 'info', configured: 'info', until: null },
    });
  });

  test('is changed while the process runs, for every logger that was made of the first one', async () => {
    const child = kept.log.child({ part: 'a' });
    const grandchild = child.child({ part: 'b' });
    expect((await put({ level: 'debug' })).body).toMatchObject({ level: 'debug', configured: 'info' });
    for (const log of [kept.log, child, grandchild]) log.debug('detail');
    await put({ level: 'error' });
    for (const log of [kept.log, child, grandchild]) log.warn('not told');
    expect(kept.lines().map(({ msg }) => msg)).toEqual([
      'the log level has changed',
      ...Array.from({ length: 3 }, () => 'detail'),
      'the log level has changed',
    ]);
  });

  test('goes back by itself', async () => {
    const changed = Date.now();
    const { body } = await put({ level: 'trace', seconds: 1 });
    expect(Date.parse((body as { until: string }).until)).toBeGreaterThanOrEqual(changed + 1000);
    while (kept.levels.level !== 'info') await new Promise((resolve) => setTimeout(resolve, 20));
    expect(Date.now() - changed).toBeGreaterThanOrEqual(990);
    expect((await ask('GET')).body).toEqual({ level: 'info', configured: 'info', until: null });
  });

  test('stays where another change came meanwhile', async () => {
    await put({ level: 'trace', seconds: 3600 });
    expect((await put({ level: 'warn' })).body).toEqual({ level: 'warn', configured: 'info', until: null });
  });

  test.each([
    ['no JSON', '{'],
    ['nothing', ''],
    ['an unknown level', '{"level":"loud"}'],
    ['no level', '{"seconds":5}'],
    ['no time', '{"level":"debug","seconds":0}'],
    ['more than a day', '{"level":"debug","seconds":86401}'],
    ['more than was asked for', '{"level":"debug","second":5}'],
    ['too much', `{"level":"debug"${' '.repeat(5000)}}`],
  ])('is not changed by %s', async (_name, body) => {
    expect(await ask('PUT', body)).toMatchObject({
      status: 400,
      type: 'application/problem+json',
      body: { code: 'INVALID_PAYLOAD', status: 400 },
    });
    expect(kept.levels.level).toBe('info');
  });

  test('takes no other method', async () => {
    expect(await ask('DELETE')).toMatchObject({ status: 405, body: { code: 'METHOD_NOT_ALLOWED' } });
  });
});

describe('at a terminal', () => {
  const shown = (env: string | undefined, write: (log: ReturnType<typeof createLog>['log']) => void) => {
    const before = process.env.NO_COLOR;
    if (env === undefined) delete process.env.NO_COLOR;
    else process.env.NO_COLOR = env;
    let text = '';
    const stream = new Writable({
      write(chunk, _encoding, done) {
        text += String(chunk);
        done();
      },
    });
    try {
      write(createLog('info', forEyes(stream)).log);
    } finally {
      if (before === undefined) delete process.env.NO_COLOR;
      else process.env.NO_COLOR = before;
    }
    return text;
  };

  test('a line is short, and says what and why', () => {
    const text = shown('1', (log) => {
      log.info({ role: 'all', mqtt: { mqtt: 1883 }, days: ['a', 'b'] }, 'ready');
      log.warn({ err: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }) }, 'Redis is away');
    });
    expect(text.split('\n').map((line) => line.replace(/^\[\d\d:\d\d:\d\d\] /, ''))).toEqual([
      'INFO: ready role=all mqtt.mqtt=1883 days=a,b',
      'WARN: Redis is away (refused, ECONNREFUSED)',
      '',
    ]);
  });

  test('a fault of ours is told with its place', () => {
    expect(shown('1', (log) => log.error({ err: new Error('no') }, 'failed'))).toMatch(
      /failed \(no\)\n +at .*log-level\.test/,
    );
  });

  test('it is in colour, unless NO_COLOR is set', () => {
    const beginsColor = String.fromCharCode(27);
    expect(shown(undefined, (log) => log.info('ready'))).toContain(beginsColor);
    expect(shown('', (log) => log.info('ready'))).toContain(beginsColor);
    expect(shown('1', (log) => log.info('ready'))).not.toContain(beginsColor);
  });
});
