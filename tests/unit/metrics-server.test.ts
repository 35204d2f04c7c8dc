import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { readConfig } from '../../shared/config.ts';
import { Health } from '../../shared/health.ts';
import { createLog } from '../../shared/telemetry/log.ts';
import { LogLevelDoor } from '../../shared/telemetry/log-level.ts';
import { isLoopback, type MetricsServer, startMetricsServer } from '../../shared/telemetry/metrics-server.ts';
import { watch } from '../../shared/telemetry/watch.ts';

const TOKEN = 'a-token-of-thirty-two-characters';
let server: MetricsServer | undefined;

afterEach(() => server?.stop());

/** What it has logged. */
async function start(host: string, token?: string): Promise<string[]> {
  const lines: string[] = [];
  const registry = new Registry();
  watch(registry, 'some', 'Some', () => 1);
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  const door = new LogLevelDoor(createLog('silent').levels, log);
  server = await startMetricsServer({ host, port: 0, token }, registry, new Health(), door, log);
  return lines;
}

const ask = (path: string, authorization?: string, host = '127.0.0.1') =>
  fetch(`http://${host}:${server?.port}${path}`, {
    ...(authorization === undefined ? {} : { headers: { authorization } }),
  });

const healthPaths = ['/health', '/health/live', '/health/ready'];

describe('with METRICS_TOKEN', () => {
  test('/metrics is for whoever shows it', async () => {
    await start('127.0.0.1', TOKEN);
    const answer = await ask('/metrics', `Bearer ${TOKEN}`);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('some 1');
    expect((await ask('/metrics?debug=1', `bearer ${TOKEN}`)).status).toBe(200);
  });

  test.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    `Basic ${TOKEN}`,
    TOKEN,
    `Bearer ${TOKEN.slice(1)}`,
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.toUpperCase()}`,
    `Bearer x ${TOKEN}`,
    `Bearer ${'x'.repeat(8000)}`,
  ])('not for %j', async (authorization) => {
    await start('127.0.0.1', TOKEN);
    const answer = await ask('/metrics', authorization);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect(await answer.text()).not.toMatch(/some|characters/);
  });

  test('health is for everybody', async () => {
    await start('0.0.0.0', TOKEN);
    for (const path of healthPaths) expect((await ask(path)).status).toBe(200);
  });
});

describe('without METRICS_TOKEN', () => {
  test('/metrics is for this machine, which the start says', async () => {
    const lines = await start('0.0.0.0');
    expect((await ask('/metrics')).status).toBe(200);
    expect(lines).toEqual([expect.stringMatching(/"level":40.*METRICS_TOKEN/)]);
  });

  test('there is nothing to say where only this machine can ask', async () => {
    expect(await start('127.0.0.1')).toEqual([]);
    await server?.stop();
    expect(await start('0.0.0.0', TOKEN)).toEqual([]);
  });

  test('for nobody else, of whom there are all that come by another address', async () => {
    await start('0.0.0.0');
    const others = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal);
    for (const { address } of others) {
      const answer = await ask('/metrics', `Bearer ${TOKEN}`, address);
      expect({ status: answer.status, text: await answer.text() }).toEqual({
        status: 403,
        text: 'METRICS_TOKEN is not set\n',
      });
      for (const path of healthPaths) expect((await ask(path, undefined, address)).status).toBe(200);
    }
    // A machine may have no other
    expect(['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1'].filter((one) => !isLoopback(one))).toEqual(
      [],
    );
    expect(
      ['10.0.0.1', '0.0.0.0', '128.0.0.1', '::', '::2', '::ffff:10.0.0.1', 'fe80::1'].filter(isLoopback),
    ).toEqual([]);
  });
});

describe('the configuration', () => {
  test('listens where HOST says, unless METRICS_HOST says otherwise', () => {
    expect(readConfig({ HOST: '0.0.0.0' }).metrics.host).toBe('0.0.0.0');
    expect(readConfig({ HOST: '0.0.0.0', METRICS_HOST: '127.0.0.1' }).metrics.host).toBe('127.0.0.1');
  });

  test.each([
    'short',
    'fifteen-letters',
    'with a space in the middle',
    'with"quotes"in-the-middle',
    'über-zwanzig-zeichen',
  ])('does not take %j for a token, and does not repeat it', (token) => {
    const read = () => readConfig({ METRICS_TOKEN: token });
    expect(read).toThrow(/^METRICS_TOKEN must be at least 16 letters/);
    expect(read).not.toThrow(token);
  });

  test('takes what openssl makes', () => {
    for (const token of ['0123456789abcdef'.repeat(4), 'AbCdEfGhIjKlMnOpQrStUvWxYz0123456789+/=='])
      expect(readConfig({ METRICS_TOKEN: token }).metrics.token).toBe(token);
  });
});
