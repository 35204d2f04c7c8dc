import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Role } from '../../shared/auth/identity.ts';
import { createTokenSigner } from '../../shared/auth/sign.ts';
import { spawn } from './child-process.ts';
import { DescribedApi } from './described.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Every platform of the tests signs with it, so that a restarted one takes the same tokens. */
export const TEST_SECRET = 'the-secret-of-the-tests-0123456789abcdef';

export type Ports = { mqtt: number; ws: number; mqtts?: number; wss?: number; api: number; metrics: number };

export type Platform = {
  ports: Ports;
  /** mqtt://… and so on. */
  urls: { mqtt: string; ws: string; rest: string; metrics: string };
  /** Every line of its standard output so far. */
  output: readonly string[];
  process: ChildProcess;
  /** SIGTERM; resolves to the exit status. */
  stop(): Promise<number | null>;
  /** SIGKILL. */
  kill(): Promise<void>;
};

/** Of a process of one role: with the ports of that role alone. */
type ReadyLine = { msg?: string; mqtt?: { mqtt: number; ws: number }; api?: number; metrics: number };

/**
 * With TEST_OVER_REDIS set, what is said of one process alone is held against one that has its log, messages and sessions in Redis: a
 * restart finds what the one before it had.
 */
function overRedis(env: Record<string, string>): Record<string, string> {
  const url = process.env.TEST_OVER_REDIS ? process.env.TEST_REDIS_URL : undefined;
  if (url === undefined) return {};
  const store = createHash('sha256').update(`${env.DATABASE_URL} ${env.DATA_DIR}`);
  return { REDIS_URL: url, REDIS_PREFIX: `test-${store.digest('hex').slice(0, 32)}` };
}

/** What the global setup has made of a source: `compiled('main.ts')`. */
export function compiled(source: string): string {
  const folder = process.env.TEST_COMPILED;
  if (folder === undefined)
    throw new Error('the product was not compiled: see tests/support/global-setup.ts');
  return join(folder, source.replace(/\.ts$/, '.js'));
}

/** A real process of the product on free ports, with no rate limits but those in `env`. */
export async function startPlatform(env: Record<string, string>): Promise<Platform> {
  const child = spawn(process.execPath, [compiled('main.ts')], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      MQTT_PORT: '0',
      MQTT_WS_PORT: '0',
      API_PORT: '0',
      METRICS_PORT: '0',
      JWT_SECRET: TEST_SECRET,
      LOCATION_MIN_INTERVAL_MS: '0',
      API_RATE_LIMIT_PER_MINUTE: '0',
      ...overRedis(env),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return untilReady(child);
}

/** Of a process that was just started with its output piped. Fails with that when it ends early. */
export async function untilReady(child: ChildProcess): Promise<Platform> {
  const output: string[] = [];
  const exited = once(child, 'exit') as Promise<[number | null]>;
  createInterface({ input: child.stderr as Readable }).on('line', (line) => output.push(line));
  const ready = new Promise<ReadyLine>((resolve) => {
    createInterface({ input: child.stdout as Readable }).on('line', (line) => {
      output.push(line);
      if (line.includes('"msg":"ready"')) resolve(JSON.parse(line) as ReadyLine);
    });
  });
  const early = exited.then(([status]) => {
    throw new Error(`the platform ended with status ${status}:\n${output.join('\n')}`);
  });
  const line = await Promise.race([ready, early]);
  early.catch(() => undefined);
  const ports: Ports = { mqtt: 0, ws: 0, ...line.mqtt, api: line.api ?? 0, metrics: line.metrics };
  return {
    ports,
    urls: {
      mqtt: `mqtt://127.0.0.1:${ports.mqtt}`,
      ws: `ws://127.0.0.1:${ports.ws}/mqtt`,
      rest: `http://127.0.0.1:${ports.api}`,
      metrics: `http://127.0.0.1:${ports.metrics}`,
    },
    output,
    process: child,
    async stop() {
      child.kill('SIGTERM');
      return (await exited)[0];
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** A token of the tests' secret, good for an hour unless said. */
export async function token(
  role: Role,
  sub: string,
  { ttlSeconds = 3600, trips }: { ttlSeconds?: number; trips?: string[] } = {},
): Promise<string> {
  const signer = await createTokenSigner({ secret: TEST_SECRET, dataDir: '' });
  return signer.sign({ sub, role, ttlSeconds, ...(trips === undefined ? {} : { trips }) });
}

/** A DATA_DIR of its own. */
export async function temporaryDataDir(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'fleetcast-data-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** In a cluster what is acknowledged is stored soon after, not before. */
async function stored(platform: Platform): Promise<void> {
  if (!process.env.TEST_OVER_REDIS) return;
  // What is shown is as of the last time that it was looked at
  do await new Promise((resolve) => setTimeout(resolve, 300));
  while (!/^fleetcast_log_entries 0$/m.test(await (await fetch(`${platform.urls.metrics}/metrics`)).text()));
}

/** REST with a token: the status and the body, parsed where it is JSON. Fails where the answer is not as described. */
export async function request(
  platform: Platform,
  bearer: string | undefined,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; headers: Headers; body: unknown }> {
  if (method === 'GET' && /\/(history|track|location|nearby)\b/.test(path)) await stored(platform);
  const response = await fetch(`${platform.urls.rest}${path}`, {
    method,
    headers: {
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const contentType = response.headers.get('content-type');
  const parsed: unknown =
    text === '' ? undefined : /[/+]json\b/.test(contentType ?? '') ? JSON.parse(text) : text;
  (await describedApi(platform)).check(method, path, response.status, contentType, parsed);
  return { status: response.status, headers: response.headers, body: parsed };
}

const described = new WeakMap<Platform, Promise<DescribedApi>>();

/** Every answer that a test sees is held against the document that the product gives of itself. */
function describedApi(platform: Platform): Promise<DescribedApi> {
  const known = described.get(platform);
  if (known !== undefined) return known;
  const asked = DescribedApi.of(platform.urls.rest);
  described.set(platform, asked);
  // A platform that was killed just then is asked again
  asked.catch(() => described.delete(platform));
  return asked;
}
