import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { spawn } from '../child-process.ts';
import { compiled, type Platform, token } from '../platform.ts';
import type { Broker } from './bench.ts';

let used = 0;

/** Its users are bookings' systems, who may publish a status of any driver and follow all of them. */
export const platformBroker = ({ ports }: Platform): Broker => ({
  name: 'platform',
  port: ports.mqtt,
  wsPort: ports.ws,
  credentials: async () => ({ user: 'x', password: await token('SERVICE', `conformance-${++used}`) }),
  topic: () => `drivers/conformance-${++used}/status`,
  wildcard: () => 'drivers/+/status',
  payloads: ['{"status":"ONLINE"}', '{"status":"BUSY"}'],
});

export type RelayProcess = { broker: Broker; output: readonly string[]; stop(): Promise<number | null> };

/** The broker that lets everybody in, as a process. */
export async function startRelay(...options: readonly string[]): Promise<RelayProcess> {
  const main = compiled('tools/conformance-broker/main.ts');
  const child = spawn(process.execPath, [main, '--port', '0', ...options], {
    env: { PATH: process.env.PATH ?? '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const output: string[] = [];
  const ports = await new Promise<{ port: number; wsPort: number }>((resolve, reject) => {
    createInterface({ input: child.stdout as Readable }).on('line', (line) => {
      output.push(line);
      const [, port, wsPort] = /mqtt:\/\/127\.0\.0\.1:(\d+) ws:\/\/127\.0\.0\.1:(\d+)\/mqtt/.exec(line) ?? [];
      if (port !== undefined) resolve({ port: Number(port), wsPort: Number(wsPort) });
    });
    void exited.then((status) => reject(new Error(`it ended with status ${status}:\n${output.join('\n')}`)));
  });
  return {
    broker: {
      ...ports,
      name: 'relay',
      credentials: async () => ({ user: 'anybody', password: 'anything' }),
      topic: () => `conformance/t${++used}/x`,
      wildcard: (topic) => topic.replace(/[^/]+$/, '+'),
      payloads: ['one', 'two'],
    },
    output,
    async stop() {
      child.kill('SIGTERM');
      return exited;
    },
  };
}
