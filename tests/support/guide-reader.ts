import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { spawn } from './child-process.ts';
import { Terminal } from './guide-terminal.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What a checkout does not have, and the reader's own run makes anew. */
const NOT_IN_A_CHECKOUT = new Set(['data', '.env', '.git', 'dist', 'coverage']);

/** Told once SUBACK has come, so that a test knows that a program follows. */
const TELL_SUBSCRIBED = `
client.on('packetreceive', ({ cmd, messageId }) => {
  if (cmd === 'suback') console.log('Subscribed (mid: ' + messageId + ')');
});
`;

/** A first start makes the database: 10 s, where nothing else runs. */
const READY_WITHIN_MS = 240_000;

type Ready = { mqtt: { mqtt: number; ws: number }; api: number; metrics: number };

/** Somebody with a fresh checkout, who starts the platform in it and pastes what a page says. */
export type Reader = {
  terminal: Terminal;
  /** The code with the ports that this platform has in place of the usual ones. */
  here(code: string): string;
  save(name: string, program: string): Promise<void>;
  stop(): Promise<void>;
};

/** `start` is what the page says to start the platform with: it prints the tokens, which are pasted too. */
export async function startReader(start: string, settings: Record<string, string>): Promise<Reader> {
  const folder = await mkdtemp(join(tmpdir(), 'fleetcast-guide-'));
  for (const name of await readdir(ROOT))
    if (!NOT_IN_A_CHECKOUT.has(name)) await symlink(join(ROOT, name), join(folder, name));
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    XDG_CONFIG_HOME: join(folder, 'config'),
    LC_ALL: 'C',
  };
  const anyPort = { MQTT_PORT: '0', MQTT_WS_PORT: '0', API_PORT: '0', METRICS_PORT: '0' };
  const platform = spawn('bash', ['-c', start], {
    cwd: folder,
    env: { ...env, ...anyPort, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: npm, the shell that it starts, and the platform
    detached: true,
  });
  const closed = once(platform, 'close');
  const output: string[] = [];
  const stop = async () => {
    platform.kill('SIGTERM');
    await closed;
    await rm(folder, { recursive: true, force: true });
  };
  createInterface({ input: platform.stderr }).on('line', (text) => output.push(text));
  const ready = new Promise<Ready>((resolve) => {
    let line: Ready | undefined;
    let hasTokens = false;
    createInterface({ input: platform.stdout }).on('line', (text) => {
      output.push(text);
      if (text.includes('"msg":"ready"')) line = JSON.parse(text) as Ready;
      if (text.startsWith('export OPERATOR_TOKEN=')) hasTokens = true;
      if (hasTokens && line !== undefined) resolve(line);
    });
  });
  const early = closed.then(() => {
    throw new Error(`the platform ended:\n${output.join('\n')}`);
  });
  early.catch(() => undefined);
  const late = new Promise<never>((_, reject) => {
    setTimeout(
      () => reject(new Error(`the platform is not ready after ${READY_WITHIN_MS} ms:\n${output.join('\n')}`)),
      READY_WITHIN_MS,
    ).unref();
  });
  const { mqtt, api, metrics } = await Promise.race([ready, early, late]);

  await mkdir(env.XDG_CONFIG_HOME);
  await writeFile(join(env.XDG_CONFIG_HOME, 'mosquitto_pub'), `-p ${mqtt.mqtt}\n`);
  await writeFile(join(env.XDG_CONFIG_HOME, 'mosquitto_sub'), `-p ${mqtt.mqtt}\n-d\n`);
  const terminal = new Terminal(folder, { ...env, MQTT_PORT: `${mqtt.mqtt}`, API_PORT: `${api}` });
  await terminal.run(output.filter((line) => line.startsWith('export ')).join('\n'));

  const here = (code: string) =>
    code
      .replaceAll('127.0.0.1:1883', `127.0.0.1:${mqtt.mqtt}`)
      .replaceAll('127.0.0.1:8083', `127.0.0.1:${mqtt.ws}`)
      .replaceAll('127.0.0.1:8096', `127.0.0.1:${api}`)
      .replaceAll('127.0.0.1:9096', `127.0.0.1:${metrics}`);
  return {
    terminal,
    here,
    save: (name, program) => writeFile(join(folder, name), here(`${program}\n${TELL_SUBSCRIBED}`)),
    async stop() {
      await terminal.close();
      await stop();
    },
  };
}
