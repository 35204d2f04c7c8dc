import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { spawn } from '../support/child-process.ts';
import { Bench } from '../support/conformance/bench.ts';
import { type RelayProcess, startRelay } from '../support/conformance/brokers.ts';
import { compiled } from '../support/platform.ts';

/* The broker for conformance suites, as a command; what it does with MQTT is held in mqtt-conformance.test.ts. */

let relay: RelayProcess | undefined;
afterEach(async () => {
  await relay?.stop();
  relay = undefined;
});

async function ended(...args: readonly string[]): Promise<{ status: number | null; text: string }> {
  const main = compiled('tools/conformance-broker/main.ts');
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, text };
}

test('says in one line where it is, lets in whoever comes, and ends with status 0', async () => {
  relay = await startRelay();
  const bench = await Bench.of(relay.broker);
  expect(await bench.connack(bench.open(), bench.connect({ user: 'a', password: 'b' }))).toEqual([0, 0]);
  bench.end();
  expect(relay.output).toHaveLength(1);
  expect(await relay.stop()).toBe(0);
});

test('refuses the filters that it is told to, and those that match them', async () => {
  relay = await startRelay('--refuse', 'closed/#');
  const bench = await Bench.of(relay.broker);
  const codes = await (await bench.login()).subscribe(['closed/a', 1], ['nosubscribe', 1], ['open', 1]);
  expect(codes).toEqual([0x80, 1, 1]);
  bench.end();
});

test('keeps to the limits of the platform', async () => {
  relay = await startRelay();
  const bench = await Bench.of(relay.broker);
  const peer = await bench.login();
  expect(await peer.subscribe([`${'x/'.repeat(100)}x`, 1])).toEqual([0x80]);
  await peer.publish(`${'x/'.repeat(200)}x`, 'x', { qos: 2 });
  await peer.publish('$SYS/x', 'x', { qos: 1 });
  expect(await bench.closesAfterLogin(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]))).toEqual([]);
  bench.end();
});

test('says what is wrong with its arguments', async () => {
  const { status, text } = await ended('--port', '65536', '--ws-port', 'x');
  expect(status).toBe(2);
  expect(text.trim().split('\n')).toHaveLength(2);
});

test('ends with status 1 where its port is taken', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const { status, text } = await ended('--port', String(port));
  taken.close();
  expect(status).toBe(1);
  expect(text).toContain('EADDRINUSE');
});

test('its policy is out of reach for the product', async () => {
  const { cruise } = await import('dependency-cruiser');
  const folder = fileURLToPath(new URL('../..', import.meta.url));
  const { output } = await cruise(['main.ts'], {
    baseDir: folder,
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    parser: 'swc',
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  });
  const reached = (output as { modules: { source: string }[] }).modules.map(({ source }) => source);
  expect(reached).toContain('broker/server.ts');
  expect(reached.filter((source) => source.startsWith('tools/'))).toEqual([]);
});
